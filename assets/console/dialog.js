// Dialogs that ask once, and messages that say what was done.

import { h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { findingsList } from "./findings.js";

const messages = h("div", { class: "messages", role: "status", "aria-live": "polite" });

/** The region of the messages. */
export const messageRegion = () => messages;

/** Says what was done. `undo`: an async function, which returns what it did. */
export function say(content, undo) {
  const message = h("div", { class: "message" });
  const dismiss = () => message.remove();
  const revert = async (event) => {
    event.target.disabled = true;
    try {
      replace(message, h("p", null, await undo()), close());
    } catch (error) {
      replace(message, h("p", { class: "is-failed" }, `Not undone: ${error.message}`), close());
    }
  };
  const close = () => h("button", { class: "quiet", "aria-label": "Dismiss", onclick: dismiss }, icon("close"));
  replace(message, h("p", null, content), undo && h("button", { onclick: revert }, "Undo"), close());
  messages.append(message);
  while (messages.children.length > 3) messages.firstChild.remove();
}

/**
 * Asks in a dialog. `body` is shown above the buttons; `act` does it, gets the form's data and whether to force it, and
 * may throw: then the dialog stays, with the reason. Resolves to the result of `act`, or undefined if it was cancelled.
 */
export function ask({ title, body, confirm, danger = false, act }) {
  return new Promise((resolve) => {
    let result;
    const problem = h("div", { class: "problem", role: "alert" });
    const forced = h("input", { type: "checkbox", name: "force" });
    const force = h("label", { class: "check", hidden: true }, forced, "Store it anyway");
    const submit = h("button", { type: "submit", class: danger ? "danger" : "primary" }, confirm);
    const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const form = h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), body, problem, force, h("div", { class: "buttons" }, submit, cancel));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      replace(problem);
      try {
        result = await act(new FormData(form), forced.checked);
        dialog.close();
      } catch (error) {
        const findings = error.body?.findings;
        replace(problem, h("p", null, error.message), findings && findingsList(findings));
        force.hidden = !findings;
      } finally {
        submit.disabled = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
