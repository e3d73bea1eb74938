/** The applications: what the server knows of them; for admins also changing, adding, testing and removing them. */

import { copyButton } from "../base/copy.js";
import { byId, element, notify, setFlag, setText } from "../base/dom.js";
import { buttonsColumn } from "../tables/lists.js";
import { caller, may } from "../base/login.js";
import { changeApp, pageData } from "../base/rest.js";
import { tellFound } from "../base/searched.js";
import { LiveTable, column } from "../tables/table.js";
import { ask } from "../tables/terminate.js";
import { count, quoted } from "../base/words.js";

export class Apps {
  #table;
  #form;

  /** `refresh()` asks the server at once. */
  constructor(refresh) {
    this.#form = new AppForm(refresh);
    const columns = [
      nameColumn(),
      column("Backend", (app) => app.url, { className: "text" }),
      methodsColumn(),
      column("Rooms", (app) => (app.rooms ? "served here" : "by the backend")),
      column("Protection", protection),
      commandsColumn(),
      buttonsColumn(buttons({ edit: (app) => this.#form.edit(app), refresh })),
    ];
    this.#table = new LiveTable(byId("apps"), columns, (app) => app.key);
    byId("apps-add").addEventListener("click", () => this.#form.add());
  }

  load = () => pageData("apps");

  show({ apps, methods }, searched) {
    this.#form.methods = methods;
    const rows = apps.filter((app) => !searched || textOf(app).includes(searched.toLowerCase()));
    this.#table.show(rows);
    setFlag(byId("apps"), "hidden", !rows.length);
    tellFound("apps", rows, apps, searched, "There is no application. Nobody can connect.", "application");
    setFlag(byId("apps-add"), "hidden", !may("admin"));
    setFlag(byId("apps-hint"), "hidden", may("admin"));
    setText(byId("apps-hint"), `Changing and testing them needs the role admin; you have ${caller().role}.`);
  }

  clear() {
    this.#table.show([]);
    byId("app").close();
    byId("app-test").close();
  }
}

const textOf = (app) => JSON.stringify(Object.values(app)).toLowerCase();

// -- columns ---------------------------------------------------------------------------------------------------------

function nameColumn() {
  const build = (cell) => {
    const name = cell.appendChild(element("span", { className: "name" }));
    const key = cell.appendChild(element("code", { className: "id" }));
    return (app) => {
      setText(name, app.name);
      setText(key, `key ${app.key}`);
    };
  };
  return { title: "Application", sort: null, className: "who", build };
}

/** How many hooks are sent, and, on demand, which. */
function methodsColumn() {
  const build = (cell) => {
    const number = element("summary");
    const names = element("span", { className: "quiet" });
    cell.append(element("details", {}, number, names));
    return ({ methods }) => {
      setText(number, count(methods.length, "hook"));
      setText(names, methods.join(", "));
    };
  };
  return { title: "Hooks", sort: null, className: "text methods", build };
}

const protection = ({ isSigned, hasCredentials }) =>
  [isSigned ? "signed" : "", hasCredentials ? "user and password" : ""].filter(Boolean).join(", ") || "none";

/** The commands that test and change an application, ready to copy. */
function commandsColumn() {
  const build = (cell) => {
    const commands = [
      ["test", (app) => `wcs test app ${quoted(app.name)}`],
      ["change", (app) => `wcs update app ${quoted(app.name)} ${quoted(app.url)}`],
    ].map(([what, write]) => {
      const code = element("code");
      const copy = copyButton("", () => code.textContent);
      cell.append(element("span", { className: "command" }, code, copy));
      return (app) => {
        setText(code, write(app));
        copy.setAttribute("aria-label", `Copy the command to ${what} ${app.name}`);
      };
    });
    return (app) => commands.forEach((update) => update(app));
  };
  return { title: "Commands", sort: null, className: "text commands", build };
}

const buttons = ({ edit, refresh }) => {
  const button = (label, className, onClick) => ({
    className,
    label,
    of: (app) => `${label} ${app.name}`,
    shown: () => may("admin"),
    onClick,
  });
  return [
    button("Test", "test", testApp),
    button("Edit", "edit", edit),
    button("Remove", "danger", async (app) => {
      notify(await remove(app));
      refresh();
    }),
  ];
};

// -- what is done ----------------------------------------------------------------------------------------------------

const remove = ({ name, key }) =>
  ask({
    title: `Remove application “${name}”?`,
    lead: `Clients that give its key, ${key}, are refused from then on. Its settings are lost.`,
    matched: [],
    button: "Remove",
    act: async () => {
      await changeApp("remove", { key });
      return `Application “${name}” removed.`;
    },
  });

/** Send a marked hook to the backend, and show how far it gets. */
async function testApp({ name, key }) {
  const [dialog, note, list] = [byId("app-test"), byId("app-test-note"), byId("app-test-steps")];
  if (dialog.open) return;
  setText(byId("app-test-title"), `Test of “${name}”`);
  setText(note, "Sending a marked hook to its backend.");
  note.classList.remove("bad");
  list.replaceChildren();
  byId("app-test-close").onclick = () => dialog.close();
  dialog.dataset.key = key;
  dialog.showModal();
  const { ok, message, steps } = await changeApp("test", { key }).catch(failed);
  if (!dialog.open || dialog.dataset.key !== key) return;
  note.classList.toggle("bad", !ok);
  setText(note, [ok ? "It works." : "It failed.", message].filter(Boolean).join(" "));
  list.replaceChildren(...steps.map(({ step, result, ms }) => element("li", { textContent: `${step}: ${result} (${ms} ms)` })));
}

const failed = (error) => ({ ok: false, message: error.message, steps: [] });

// -- the form --------------------------------------------------------------------------------------------------------

const VALUES = ["url", "onBreaker", "spool"];

/** The dialog in which an application is changed or added. */
class AppForm {
  methods = []; // all that the server knows
  #dialog = byId("app");
  #form = byId("app-form");
  #refresh;
  #app = null; // the one that is changed, as it was; null: one is added

  constructor(refresh) {
    this.#refresh = refresh;
    byId("app-cancel").addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.#dialog.addEventListener("cancel", (event) => {
      if (byId("app-save").disabled) event.preventDefault(); // the outcome must be shown
    });
  }

  edit(app) {
    this.#open(app, `Change application “${app.name}”`, "Save");
  }

  add() {
    this.#open(null, "Add an application", "Add");
  }

  #open(app, title, button) {
    if (this.#dialog.open) return;
    this.#app = app;
    this.#form.reset();
    setText(byId("app-title"), title);
    setText(byId("app-save"), button);
    byId("app-identity").hidden = app !== null;
    byId("app-methods").replaceChildren(...this.methods.map((name) => methodBox(name, app?.methods.includes(name))));
    const { elements } = this.#form;
    if (app) for (const name of VALUES) elements[name].value = app[name];
    elements.rooms.checked = app?.rooms ?? false;
    this.#complain("", null);
    this.#dialog.showModal();
    elements[app ? "url" : "name"].focus();
  }

  get #given() {
    const { elements } = this.#form;
    const boxes = byId("app-methods").querySelectorAll("input:checked");
    const values = Object.fromEntries(VALUES.map((name) => [name, elements[name].value.trim()]));
    return { ...values, rooms: elements.rooms.checked, methods: [...boxes].map((box) => box.value) };
  }

  /** Send what differs: what somebody else has changed meanwhile stays. */
  async #save() {
    const { elements } = this.#form;
    const given = this.#given;
    const changes = Object.entries(given).filter(([name, value]) => !same(value, this.#app?.[name]));
    if (this.#app && !changes.length) return this.#dialog.close();
    const body = this.#app
      ? { key: this.#app.key, ...Object.fromEntries(changes) }
      : { name: elements.name.value.trim(), key: elements.key.value.trim(), ...given };
    this.#lock(true);
    this.#complain("", null);
    try {
      await changeApp(this.#app ? "update" : "add", body);
      this.#dialog.close();
      notify(this.#app ? `Application “${this.#app.name}” changed.` : `Application “${body.name}” added.`);
      this.#refresh();
    } catch (error) {
      this.#lock(false);
      this.#complain(error.message, elements[error.key]);
    } finally {
      this.#lock(false);
    }
  }

  /** Show what is wrong, and lead to the field. */
  #complain(text, field) {
    for (const control of this.#form.elements) control.removeAttribute("aria-invalid");
    setText(byId("app-error"), text);
    if (!(field instanceof HTMLElement)) return;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }

  #lock(locked) {
    for (const control of this.#form.elements) control.disabled = locked;
  }
}

function methodBox(name, checked = false) {
  return element("label", { className: "check" }, element("input", { type: "checkbox", value: name, checked }), name);
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
