"""The sessions of this node in one room, and what each of them waits for."""

from collections.abc import Iterator

from attrs import define, field

from actors.rooms.member import RoomMember
from protocol.cluster.rooms.messages import (
    AskJoin,
    AskLeave,
    AskMessage,
    RoomWord,
    SeatRecord,
    TakeSeat,
)
from protocol.rooms.info_texts import RoomInfo
from protocol.rooms.requests import JoinRequest, LeaveRequest, MessageRequest
from protocol.rooms.room_state import RoomStream

Command = JoinRequest | LeaveRequest | MessageRequest


@define(eq=False)
class OpenCommand:
    """A command that has not been answered."""

    request: Command
    deadline: float
    is_sent: bool = False


@define(eq=False, kw_only=True)
class BranchSeat:
    """One session in the room."""

    id: str
    member: RoomMember
    login: str
    session_id: str
    address: str
    since: int = 0
    has_joined: bool = False
    has_state: bool = False
    """Whether it was told who is in the room."""
    is_known: bool = False
    """Whether the room's node has been told of it, or will be by what waits to be sent."""
    streams: dict[str, RoomStream] = field(factory=dict)
    commands: dict[int, OpenCommand] = field(factory=dict)

    def take_seat(self) -> TakeSeat:
        return TakeSeat(seat=self.id, login=self.login, session_id=self.session_id, address=self.address)

    def record(self) -> SeatRecord:
        """As one that was in the room already."""
        return SeatRecord(
            seat=self.id,
            login=self.login,
            session_id=self.session_id,
            address=self.address,
            since=self.since,
            streams=tuple(self.streams.values()),
        )

    def words(self) -> Iterator[RoomWord]:
        """What it still asks."""
        return (self.word(number, command.request) for number, command in self.commands.items())

    def word(self, number: int, request: Command) -> RoomWord:
        """A command as it is sent."""
        match request:
            case JoinRequest():
                return AskJoin(seat=self.id, command=number, at=request.at)
            case LeaveRequest():
                return AskLeave(seat=self.id, command=number)
            case MessageRequest():
                return AskMessage(seat=self.id, command=number, to=request.to, text=request.text)

    def answer(self, number: int, info: str | None) -> None:
        """The answer to a command; one that is not open changes nothing."""
        command = self.commands.pop(number, None)
        if command is None:
            return
        if isinstance(command.request, JoinRequest) and info is None and not self.has_joined:
            self.has_joined, self.since = True, command.request.at
        command.request.operation(info)

    def answer_all(self, info: str) -> None:
        """Nothing that it asks is done."""
        for number in tuple(self.commands):
            self.answer(number, info)

    def forget_sent(self) -> None:
        """The room's node is gone: whether it has passed on a message, nobody knows. Everything else is asked again."""
        for number, command in tuple(self.commands.items()):
            if command.is_sent and isinstance(command.request, MessageRequest):
                self.answer(number, RoomInfo.ROOM_IS_UNREACHABLE)
            command.is_sent = False

    def detach(self) -> bool:
        """Whether it wants anything of the room: otherwise it has left, and the last word of it is lost."""
        self.forget_sent()
        self.is_known = self.has_joined
        return self.has_joined or bool(self.commands)

    def overdue(self, now: float) -> list[int]:
        """The commands whose time is up."""
        return [number for number, command in self.commands.items() if command.deadline <= now]
