"use strict";
// What the server draws is all there is. This renews it, and saves clicks.
const every = 5000;
const $ = (id) => document.getElementById(id);

// Makes a part of the page look like another one, and keeps what has not changed: the focus,
// a selection, what is open.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const have = [...old.childNodes], want = [...fresh.childNodes];
  want.forEach((child, i) => (i < have.length ? morph(have[i], child) : old.append(child.cloneNode(true))));
  have.slice(want.length).forEach((child) => child.remove());
}

async function page(path) {
  const response = await fetch(path, { headers: { Accept: "text/html" }, cache: "no-store" });
  const drawn = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!drawn.getElementById("state")) throw new Error(response.status);
  return drawn;
}

function say(text, alarm) {
  $("live").textContent = text;
  $("live").className = alarm ? "live alarm" : "live quiet";
}

async function renew() {
  if (!document.hidden) {
    try {
      const fresh = await page("/");
      for (const id of ["state", "by"]) morph($(id), fresh.getElementById(id));
      document.title = fresh.title;
      say("renewed every 5 seconds");
    } catch {
      if (!$("live").classList.contains("alarm")) say("the replica does not answer since " + new Date().toISOString(), true);
    }
  }
  setTimeout(renew, every);
}
say("renewed every 5 seconds");
setTimeout(renew, every);

// What if: the boundary of the tag, to be dragged or moved by keys.
if ($("suppose")) {
  const drag = document.createElement("input");
  drag.type = "range";
  drag.setAttribute("aria-label", "The boundary of the tag, in buckets");
  drag.min = 0;
  $("drag").append(drag);
  const follow = () => {
    const { modulo, to } = $("effect").dataset;
    drag.hidden = !modulo;
    drag.max = modulo || 1;
    if (document.activeElement !== drag) drag.value = to;
  };
  // One question at a time, and the last one always.
  let asking = false, again = false;
  const suppose = async () => {
    again = asking;
    if (asking) return;
    asking = true;
    const query = new URLSearchParams(new FormData($("suppose")));
    const fresh = await page("/whatif?" + query).catch(() => null);
    if (fresh && !again) {
      morph($("effect"), fresh.getElementById("effect"));
      if (!$("share").value) $("share").value = fresh.getElementById("share").value;
      follow();
      copies();
    }
    setTimeout(() => {
      asking = false;
      if (again) suppose();
    }, 200);
  };
  drag.addEventListener("input", () => {
    const { modulo, from } = $("effect").dataset;
    const buckets = Math.max(0, drag.value - from), percent = (100 * buckets) / modulo;
    $("share").value = Number(percent.toFixed(4)) === percent ? percent + "%" : buckets + "/" + modulo;
    drag.setAttribute("aria-valuetext", $("share").value);
    suppose();
  });
  $("of").addEventListener("change", () => {
    $("share").value = "";
    suppose();
  });
  follow();
}

// What can be copied has a button, where the browser allows it.
function copies() {
  if (!navigator.clipboard) return;
  for (const pre of document.querySelectorAll("pre[data-copy]")) {
    if (pre.nextElementSibling?.className === "copy") continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(pre.textContent);
      button.textContent = "Copied";
    });
    pre.after(button);
  }
}
copies();

// A link to a question has it behind #.
const question = new URLSearchParams(location.hash.slice(1));
if (question.has("request")) {
  $("request").value = question.get("request");
  $("at").value = question.get("at") || "";
  $("ask").requestSubmit();
}
