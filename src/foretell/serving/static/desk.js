// The desk's one script: keys, findings while one edits, and a claim that lasts while the page is open.
// Every page works without it.
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const file = one(".file");
  const help = one("#help");
  const address = (path) => `/api/${path}?id=${encodeURIComponent(file.dataset.case)}`;

  // Keys

  const rows = () => all(file ? ".claim > summary" : "a.row");
  const step = (by) => {
    const found = rows();
    const at = found.indexOf(document.activeElement);
    const next = found[at < 0 ? (by > 0 ? 0 : found.length - 1) : at + by];
    if (next) next.focus();
  };
  const open = (verb, field) => {
    const form = one(`#act-${verb}`);
    if (!form) return;
    form.open = true;
    one(field, form).focus();
  };
  const keys = {
    j: () => step(1),
    k: () => step(-1),
    o: () => rows().includes(document.activeElement) && document.activeElement.click(),
    a: () => one("#approve")?.focus(),
    r: () => open("reject", "select"),
    e: () => open("edit", "textarea"),
    c: () => open("comment", "textarea"),
    s: () => open("snooze", "select"),
    w: () => one("#ask")?.focus(),
    n: () => one("#next")?.form.requestSubmit(one("#next")),
    "/": () => {
      const search = one("#text");
      if (search) search.focus();
      else location.href = "/#text";
    },
    "?": () => help.showModal(),
  };
  const kept = {
    get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
    set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* not kept then */ } },
  };
  let before = "";
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input:not([type=checkbox], [type=radio]), select, textarea");
    if (event.key === "Escape" && field) field.blur();
    if (field || !help || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!on.checked && event.key !== "?") return;
    const after = before;
    before = event.key;
    if (after === "g" && event.key === "q") location.href = "/";
    const does = keys[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  const on = one("#keys-on");
  if (help) {
    on.checked = kept.get("keys") !== "off";
    on.addEventListener("change", () => kept.set("keys", on.checked ? "on" : "off"));
    const button = one("#show-help");
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }
  if (location.hash === "#text") one("#text")?.focus();

  // One form of the panel at a time, so that it stays in sight

  all(".act").forEach((form) => form.addEventListener("toggle", () => {
    if (form.open) all(".act").forEach((other) => { if (other !== form) other.open = false; });
  }));

  // Findings while one edits

  const words = { SUPPORTED: "supported", CONTRADICTED: "contradicted", UNVERIFIED: "not verified", OMITTED: "left out", REFUSED: "breaks a rule", WARNED: "warning" };
  const paragraph = (kind, text) => {
    const made = document.createElement("p");
    const mark = document.createElement("span");
    mark.className = `mark ${kind}`;
    mark.textContent = `${kind} `;
    const said = document.createElement("bdi");
    said.textContent = text;
    made.append(mark, said);
    return made;
  };
  const tell = (place, answer) => {
    const bad = answer.verdict.findings.filter((found) => found.status !== "SUPPORTED");
    const lines = bad.map((found) => {
      const kind = { OMITTED: "contradicted", REFUSED: "contradicted", WARNED: "unverified" }[found.status] || found.status.toLowerCase();
      // Offsets count characters, of which JavaScript counts some twice.
      const span = [...answer.text].slice(found.start, found.end).join("");
      const line = paragraph(kind, `${span ? `“${span}” ` : ""}${found.fault}`);
      one(".mark", line).textContent = `${words[found.status]} `;
      return line;
    });
    place.replaceChildren(...(lines.length ? lines : [paragraph("supported", "The evidence supports every sentence.")]));
  };
  const draft = one("[data-check]");
  if (draft) {
    const place = one("#findings");
    let timer, asked = 0;
    const check = async () => {
      const mine = ++asked;
      try {
        const answer = await fetch(address("case/check"), {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ text: draft.value }),
        });
        if (mine !== asked) return;
        if (answer.ok) tell(place, await answer.json());
        else place.replaceChildren(paragraph("unverified", (await answer.json()).error.message));
      } catch {
        if (mine === asked) place.replaceChildren(paragraph("unverified", "The desk does not answer; your text is still here."));
      }
    };
    draft.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(check, 350);
    });
    let sent = false;
    draft.form.addEventListener("submit", () => { sent = true; });
    addEventListener("beforeunload", (event) => {
      if (!sent && draft.value !== draft.defaultValue) event.preventDefault();
    });
  }

  // A claim lasts while somebody works with the page; who has left the desk lets it go, and the session too

  if (file?.dataset.held) {
    let moved = Date.now();
    for (const kind of ["keydown", "pointermove", "scroll"]) {
      addEventListener(kind, () => { moved = Date.now(); }, { passive: true });
    }
    setInterval(() => {
      if (Date.now() - moved < 600000) fetch(address("case/claim"), { method: "POST" }).catch(() => {});
    }, 30000);
  }
})();
