/** The grid of a room: a tile for each stream of the others, and one for each of them who has none. */

import { element, setText, visible } from "../base/dom.js";
import { explain } from "../base/words.js";

const MOST = 16;

export class Grid {
  #list;
  #tiles = new Map(); // key -> Tile

  /** Tiles follow after those that `list` has already. At most 16 streams are played at a time. */
  constructor(list) {
    this.#list = list;
  }

  /** Show these members of the room, and play what they publish. */
  show(room) {
    const wanted = new Map();
    for (const [login, streams] of room.members) {
      for (const stream of streams.length ? streams : [null]) wanted.set(JSON.stringify([login, stream]), { login, stream });
    }
    for (const [key, tile] of this.#tiles) {
      if (wanted.has(key)) continue;
      tile.remove();
      this.#tiles.delete(key);
    }
    for (const [key, { login, stream }] of wanted) {
      if (!this.#tiles.has(key)) this.#tiles.set(key, new Tile(this.#list, login, stream));
    }
    this.#fill(room);
  }

  clear() {
    for (const tile of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
  }

  #fill(room) {
    const tiles = [...this.#tiles.values()].filter((tile) => tile.stream !== null);
    let free = MOST - tiles.filter((tile) => tile.isPlayed).length;
    for (const tile of tiles) {
      if (tile.isPlayed) continue;
      if (free > 0) tile.play(room);
      else tile.tell(`Not played: ${MOST} others are`);
      free -= 1;
    }
  }
}

class Tile {
  isPlayed = false;
  #line;
  #video;
  #words;
  #playback = null;

  constructor(list, login, stream) {
    this.stream = stream;
    this.#video = element("video", { autoplay: true, playsInline: true, ariaLabel: `Video of ${login}` });
    this.#words = element("span", { className: "tile-words", textContent: stream === null ? "No video" : "" });
    const name = element("span", { className: "tile-name", textContent: visible(login) });
    this.#line = element("li", { className: "tile" }, this.#video, this.#words, name);
    list.append(this.#line);
  }

  play(room) {
    this.isPlayed = true;
    this.tell("Connecting");
    this.#playback = room.play(this.stream, {
      onStatus: (status, info) => {
        if (status === "PLAYING") this.tell("");
        else if (status !== "PENDING") this.#over(explain(status, info));
      },
      onMedia: (media) => {
        this.#video.srcObject = media;
        this.#line.classList.add("on");
      },
    });
  }

  tell(words) {
    setText(this.#words, words);
  }

  remove() {
    this.#playback?.stop();
    this.#video.srcObject = null;
    this.#line.remove();
  }

  #over(words) {
    this.#video.srcObject = null;
    this.#line.classList.remove("on");
    this.tell(words);
  }
}
