/** The server's data for this page, and the REST API as far as the page uses it. */

const ANSWER_TIMEOUT = 10_000;

/** A request that failed; the message tells people why. */
export class RestError extends Error {}

/** What the page shows. `find` keeps the rows that hold this text. */
export async function pageState(find) {
  const answer = await request(`/page/state${find ? `?${new URLSearchParams({ find })}` : ""}`);
  return answer.json();
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

async function terminate(path, filter) {
  const answer = await post(path, filter);
  return answer.status === 404 ? 0 : Number(answer.headers.get("X-Terminated-Count"));
}

/** POST; 404 is an answer like any other here: nothing matched. */
const post = (path, body) =>
  request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    accept: [404],
  });

async function request(path, { accept = [], ...options } = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(ANSWER_TIMEOUT) });
  } catch (error) {
    const why = error.name === "TimeoutError" ? "did not answer in time" : "cannot be reached";
    throw new RestError(`The server ${why}.`);
  }
  if (answer.ok || accept.includes(answer.status)) return answer;
  throw new RestError(await refusal(answer));
}

async function refusal(answer) {
  const { reason } = await answer.json().catch(() => ({}));
  return `The server refuses (${answer.status}): ${reason ?? answer.statusText}.`;
}
