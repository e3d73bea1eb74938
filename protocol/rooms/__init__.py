"""Rooms, as the WebSDK's RoomApi knows them: who is in, who publishes what, and who is told of it."""
