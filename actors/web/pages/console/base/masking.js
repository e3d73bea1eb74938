/** URIs as people may see them: names of streams may be such. The same as protocol/common/masking.py, which says why. */

const HIDDEN = "***";
const MARKS = ["://", "@", "?", "%3", "%25"];
const SCHEME = /[A-Za-z0-9+.-]*$/;
const MEMBER = /^(sip|sips|mailto|xmpp|acct):[^:]*$/i;
const WORDS = /(?<quote>["'])[A-Za-z0-9+.-]*:\/\/(?:\\.|(?!\k<quote>)[^\\])*|[^ \t\n\r\f\v"'<>]+/gs;
const ESCAPED_SLASHES = /%(?:25)*3A%(?:25)*2F%(?:25)*2F/i;
const HOST = /^(?:\[[0-9A-Fa-f:.%]*\]|[^:[\]]*)(?::[0-9]{0,5})?$/;
const PUNCTUATION = /[:,;.)}`]*$/;
const RTMP = /^rtmp(|s|t|e|te|ts)$/i;
const MOST_ESCAPES = 8;

/** A text without user info, values of queries and stream keys of the URIs in it. */
export function masked(text) {
  if (!MARKS.some((mark) => text.includes(mark))) return text;
  const shown = maskedOnce(text);
  return maskedOnce(shown) === shown ? shown : HIDDEN;
}

function maskedOnce(text) {
  return /^[A-Za-z0-9+.-]*:\/\//.test(text) ? maskedUri(text) : text.replace(WORDS, (found) => word(found));
}

function maskedUri(uri) {
  const [scheme, slashes, rest] = parted(uri, uri.indexOf("://"), 3);
  return scheme + slashes + authorityAndRest(scheme, rest);
}

function unescaped(text) {
  let plain = text;
  for (let times = 0; times < MOST_ESCAPES; times += 1) {
    try {
      plain = decodeURIComponent(plain);
    } catch {
      return HIDDEN;
    }
    if (plain.includes("://")) return word(plain);
  }
  return HIDDEN;
}

function word(text) {
  const slashes = text.indexOf("://");
  if (slashes < 0) return bare(text);
  const start = text.slice(0, slashes).search(SCHEME);
  const lead = text.slice(0, start);
  if (lead.includes(":") && (text.includes("@") || text.includes("%40"))) return HIDDEN;
  return bare(lead) + maskedUri(text.slice(start));
}

function bare(text) {
  if (ESCAPED_SLASHES.test(text)) return unescaped(text);
  const [before, , after] = parted(text, text.lastIndexOf("@"), 1);
  if (before && text.includes("@") && !MEMBER.test(before) && (before.includes(":") || after.includes("/"))) {
    return authorityAndRest("", text);
  }
  const [path, mark, query] = parted(text, text.indexOf("?"), 1);
  return path + mark + (query.includes("=") ? values(query) : query);
}

function authorityAndRest(scheme, text) {
  const end = endOf(text, /[/?#]/);
  const rest = text.slice(end);
  if (rest.includes("@")) return HIDDEN;
  const authority = text.slice(0, end).replaceAll("%40", "@");
  const user = authority.lastIndexOf("@") + 1;
  const behind = authority.slice(user);
  const host = behind.slice(0, endOf(behind, /[ \t\n\r\f\v]/));
  const shown = HOST.test(host.replace(PUNCTUATION, "")) ? host : HIDDEN;
  return (user ? `${HIDDEN}@` : "") + shown + pathAndQuery(scheme, behind.slice(host.length) + rest);
}

function pathAndQuery(scheme, text) {
  const end = endOf(text, /[?#]/);
  let path = text.slice(0, end);
  if (RTMP.test(scheme)) {
    const [application, , key] = parted(path.slice(1), path.slice(1).indexOf("/"), 1);
    path = path.slice(0, 1) + application + (key ? `/${HIDDEN}` : "");
  }
  if (path.includes("=")) {
    const start = path.slice(0, path.indexOf("=")).lastIndexOf("/") + 1;
    path = path.slice(0, start) + values(path.slice(start));
  }
  const escaped = path.search(ESCAPED_SLASHES);
  if (escaped >= 0) path = path.slice(0, path.slice(0, escaped).lastIndexOf("/") + 1) + HIDDEN;
  return path + text.slice(end, end + 1) + values(text.slice(end + 1));
}

function values(query) {
  return query.replace(/[^&;]+/g, (pair) => {
    const [name, equals, value] = parted(pair, pair.indexOf("="), 1);
    return equals ? `${name}=${value ? HIDDEN : ""}` : HIDDEN;
  });
}

/** What is before a place, of some length, and behind it; without such a place, all is before it. */
function parted(text, place, length) {
  return place < 0 ? [text, "", ""] : [text.slice(0, place), text.slice(place, place + length), text.slice(place + length)];
}

function endOf(text, character) {
  const end = text.search(character);
  return end < 0 ? text.length : end;
}
