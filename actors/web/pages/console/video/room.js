/**
 * A room of WCS, as the SDK's RoomApi speaks to it: commands go by sendData, events come as data.
 *
 *     const room = new Room({name: "lobby", login: "ann", onChange, onMessage});
 *     const session = await connect(url, {appKey: "roomApp", custom: {login: "ann"}, onData: (data) => room.heard(data)});
 *     await room.join(session);
 *     await room.say("hello");
 */

export class Room {
  /** The others: login -> names of the streams that can be played, oldest first. */
  members = new Map();
  #session;
  #name;
  #login;
  #onChange;
  #onMessage;

  /** `onChange({who, what})`: somebody has "joined" or "left", or their streams have changed; `onMessage(from, text)`. */
  constructor({ name, login, onChange, onMessage }) {
    this.#name = name;
    this.#login = login;
    this.#onChange = onChange;
    this.#onMessage = onMessage;
  }

  /** Rejects with the reason if the room does not let it in. */
  async join(session) {
    this.#session = session;
    await this.#command("join", { name: this.#name });
  }

  leave() {
    return this.#command("leave", { name: this.#name });
  }

  /** Send a text to everybody. Rejects with the reason if somebody who is still here did not get it. */
  async say(text) {
    for (const to of [...this.members.keys()]) {
      try {
        await this.#command("sendMessage", { roomConfig: { name: this.#name }, to, text });
      } catch (error) {
        if (this.members.has(to)) throw error; // otherwise it has just left
      }
    }
  }

  publish(media, events) {
    const tail = Math.random().toString(16).slice(2, 6);
    const name = `${this.#name}-${this.#login}-${tail}`;
    return this.#session.publish(name, media, { ...events, custom: { name: this.#name } });
  }

  play(stream, events) {
    return this.#session.play(stream, { ...events, custom: { name: this.#name } });
  }

  #command(command, options) {
    return this.#session.sendData({ command, options });
  }

  /** Data from the server. */
  heard({ roomName, name, info } = {}) {
    if (roomName !== this.#name) return;
    switch (name) {
      case "STATE":
        this.members.clear();
        for (const entry of info) this.#streamsOf(entry.login ?? entry).push(...(entry.name ? [entry.name] : []));
        return this.#onChange({});
      case "JOINED":
        this.#streamsOf(info);
        return this.#onChange({ who: info, what: "joined" });
      case "LEFT":
        this.members.delete(info);
        return this.#onChange({ who: info, what: "left" });
      case "PUBLISHED":
        this.#streamsOf(info.login).push(info.name);
        return this.#onChange({});
      case "UNPUBLISHED":
      case "FAILED":
        this.members.set(info.login, this.#streamsOf(info.login).filter((stream) => stream !== info.name));
        return this.#onChange({});
      case "MESSAGE":
        return this.#onMessage(info.from, info.text);
    }
  }

  #streamsOf(login) {
    if (!this.members.has(login)) this.members.set(login, []);
    return this.members.get(login);
  }
}
