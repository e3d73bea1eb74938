/** Who uses this page: the login form, the one-time link of `wcs console`, and what the server lets the user do. */

import { byId, setFlag, setText } from "./dom.js";
import { LoginNeeded, forgetToken, isLoginRequired, keepToken, logIn, logOut, token } from "./rest.js";

const ROLES = ["metrics", "view", "operate", "admin"];
const LINK = "#login=";

let known = { role: "admin" }; // until the server says otherwise; it decides in any case

/** Whether the user's role includes this one. */
export const may = (needed) => ROLES.indexOf(known.role) >= ROLES.indexOf(needed);

/** Who uses this page, as the server told it last. */
export const caller = () => known;

/** Log in if that is needed, then call `onReady`; `onLeave` when the page is logged out. */
export function startLogin({ onReady, onLeave }) {
  const form = byId("login-form");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { user, password } = Object.fromEntries(new FormData(form));
    if (await enter({ user, password })) form.reset();
    else form.elements.password.select();
  });
  byId("logout").addEventListener("click", async () => {
    await logOut().catch(() => {}); // without the server, it is enough to forget the token
    leave("You have logged out.");
  });
  addEventListener("hashchange", () => {
    const link = takeLink();
    if (link) enter({ link });
  });
  begin(takeLink());

  async function begin(link) {
    if (link) return enter({ link });
    if (!token() && (await isLoginRequired().catch(() => false))) return leave("");
    show(true);
    onReady();
  }

  async function enter(credentials) {
    lock(true);
    setText(byId("login-error"), "");
    try {
      keepToken(await logIn(credentials));
    } catch (error) {
      leave(error.message);
      return false;
    } finally {
      lock(false);
    }
    show(true);
    onReady();
    return true;
  }

  function leave(reason) {
    forgetToken();
    onLeave();
    show(false);
    setText(byId("login-error"), reason);
    form.elements.user.focus();
  }

  function lock(locked) {
    for (const control of form.elements) control.disabled = locked;
  }

  return {
    /** Whether the error means that the page has to log in (again); then the form is shown. */
    needed(error) {
      if (!(error instanceof LoginNeeded)) return false;
      leave(token() ? "Your login has expired. Log in again." : "");
      return true;
    },
  };
}

/** Show who is logged in, and offer only what the role permits. */
export function showCaller(caller) {
  known = caller;
  setFlag(byId("caller"), "hidden", !caller.name);
  const bound = caller.apps ? `, only ${caller.apps.join(", ")}` : "";
  setText(byId("caller-name"), `${caller.name} (${caller.role}${bound})`);
  setFlag(byId("logout"), "hidden", !token());
  setFlag(byId("plain-links"), "hidden", !!caller.name); // a link cannot carry the login
  byId("filter-fields").disabled = !may("operate");
  setFlag(byId("filter-hint"), "hidden", may("operate"));
  setText(byId("filter-hint"), `Terminating needs the role operate; you have ${caller.role}.`);
}

function show(isIn) {
  byId("login").hidden = isIn;
  byId("content").hidden = byId("doors").hidden = !isIn;
  if (!isIn) byId("caller").hidden = true;
}

/** The secret of a one-time link. It is erased from the address bar at once, and from the history. */
function takeLink() {
  if (!location.hash.startsWith(LINK)) return "";
  const secret = location.hash.slice(LINK.length);
  history.replaceState(null, "", location.pathname + location.search);
  return secret;
}
