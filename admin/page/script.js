"use strict";
// Renews the part of the page that is the state. The server draws it, as without this.
const every = 5000;
const note = document.getElementById("live");
async function renew() {
  if (!document.hidden) {
    try {
      const response = await fetch("/", { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!response.ok) throw new Error(response.status);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("state");
      const old = document.getElementById("state");
      if (fresh.innerHTML !== old.innerHTML) old.replaceWith(fresh);
      note.textContent = "renewed every 5 seconds";
      note.className = "live quiet";
    } catch {
      if (note.className !== "live alarm") note.textContent = "the replica does not answer since " + new Date().toISOString();
      note.className = "live alarm";
    }
  }
  setTimeout(renew, every);
}
note.textContent = "renewed every 5 seconds";
setTimeout(renew, every);
