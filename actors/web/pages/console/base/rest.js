/** The server's data for this page, and the REST API as far as the page uses it. */

const ANSWER_TIMEOUT = 10_000;
const TEST_TIMEOUT = 60_000; // a hook on trial may take 20 s, and wait for others

const TOKEN = "wcsd.token";

/** A request that failed; the message tells people why. */
export class RestError extends Error {}

/** A request that failed because the page is not logged in, or not any more. */
export class LoginNeeded extends RestError {}

// -- the login ---------------------------------------------------------------------------------------------------------

/** The token of this page; it lives as long as the tab. */
export const token = () => sessionStorage.getItem(TOKEN);
export const keepToken = (text) => sessionStorage.setItem(TOKEN, text);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);

/** Whether the server wants to know who uses this page. */
export async function isLoginRequired() {
  return (await (await request("/page/login")).json()).required;
}

/** A token for `{user, password}` or `{link}`. */
export async function logIn(credentials) {
  forgetToken();
  const answer = await post("/page/login", credentials, { accept: [401, 429] });
  if (answer.ok) return (await answer.json()).token;
  if (answer.status === 429) throw new RestError(`Too many attempts. Try again in ${wait(answer)}.`);
  const { reason } = await answer.json();
  throw new RestError(`${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`);
}

/** End this page's token on the server. */
export const logOut = () => post("/page/logout", {});

const wait = (answer) => `${answer.headers.get("Retry-After")} s`;

// -- streams and sessions ----------------------------------------------------------------------------------------------

/** What the tables show. `query`: tab, sort, find, offset, limit; empty ones are left out. */
export const pageState = (query) => pageData("state", query);

/** Other data of the page, by name. */
export async function pageData(name, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined);
  return (await request(`/page/${name}${given.length ? `?${new URLSearchParams(given)}` : ""}`)).json();
}

/** The answer of the server's events, which does not end; `after` is the id of the last event that has come. */
export async function openEvents({ types, after, signal }) {
  const query = types ? `?${new URLSearchParams({ types })}` : "";
  const headers = { ...ownHeaders(), ...(after ? { "Last-Event-ID": after } : {}) };
  const answer = await fetch(`/rest-api/events${query}`, { headers, signal, cache: "no-store" });
  if (!answer.ok) throw await refused(answer);
  return answer.body.pipeThrough(new TextDecoderStream());
}

/** The streams that a terminate with this filter would stop, each with `cascade`; nothing is stopped. */
export async function matchingStreams(filter) {
  const answer = await post("/rest-api/stream/terminate?dry_run=true", filter);
  return answer.status === 404 ? [] : answer.json();
}

/** Stop the streams that match. Returns how many matched; players that fall with their publisher are not counted. */
export const terminateStreams = (filter) => terminate("/rest-api/stream/terminate", filter);

/** Disconnect the sessions that match. Returns how many matched. */
export const terminateSessions = (filter) => terminate("/rest-api/connection/terminate", filter);

/** End a room. Returns how many members it had. */
export const terminateRoom = (filter) => terminate("/rest-api/room/terminate", filter);

/** End a call. Returns whether there was one, as 1 or 0. */
export const terminateCall = (filter) => terminate("/rest-api/call/terminate", filter);

async function terminate(path, filter) {
  const answer = await post(path, filter);
  return answer.status === 404 ? 0 : Number(answer.headers.get("X-Terminated-Count"));
}

/** Change applications: `add`, `update`, `remove`; or `test` one. The answer; an error has the field in `key`. */
export async function changeApp(what, body) {
  return (await post(`/rest-api/app/${what}`, body, { accept: [], patience: TEST_TIMEOUT })).json();
}

/** POST; 404 is an answer like any other here: nothing matched. */
const post = (path, body, { accept = [404], patience } = {}) =>
  request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    accept,
    patience,
  });

async function request(path, { accept = [], headers = {}, patience = ANSWER_TIMEOUT, ...options } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      ...options,
      headers: { ...headers, ...ownHeaders() },
      cache: "no-store",
      signal: AbortSignal.timeout(patience),
    });
  } catch (error) {
    const why = error.name === "TimeoutError" ? "did not answer in time" : "cannot be reached";
    throw new RestError(`The server ${why}.`);
  }
  if (answer.ok || accept.includes(answer.status)) return answer;
  throw await refused(answer);
}

/** Who asks. The first one keeps the browser from opening a login window of its own. */
function ownHeaders() {
  const known = token();
  return { "X-Requested-With": "wcsd", ...(known ? { Authorization: `Bearer ${known}` } : {}) };
}

async function refused(answer) {
  const { reason, key } = await answer.json().catch(() => ({}));
  const Failure = answer.status === 401 ? LoginNeeded : RestError;
  const text = `The server refuses (${answer.status}): ${reason ?? answer.statusText}.`;
  return Object.assign(new Failure(text), { key });
}
