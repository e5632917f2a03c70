// Draws the figures one after the other, and lets filter and highlight reach all of them. Sorting works without figures.
// A page that is served asks for more each second, and takes what is new without losing the reader's place.
"use strict";
(() => {
  let views = [];
  let drawing = 0; // what is drawn for an older page ends
  let picked = -1; // no trial
  let hidden = new Set(); // states
  const signal = (view, name, value) => { if (name in view.getState().signals) view.signal(name, value).runAsync(); };
  const signals = (name, value) => views.forEach((view) => signal(view, name, value));

  const boxes = () => [...document.querySelectorAll("#toolbar [name=state]")];
  const shown = () => boxes().every((box) => box.checked) ? null : boxes().filter((box) => box.checked).map((box) => box.value);
  const mark = () => {
    const field = document.getElementById("picked");
    if (field && document.activeElement !== field) field.value = picked < 0 ? "" : picked;
    document.querySelectorAll(".pick").forEach((button) =>
      button.closest("tr").classList.toggle("picked", Number(button.value) === picked));
  };
  const pick = (trial) => { picked = trial; signals("picked", trial); mark(); };
  const toggle = (trial) => pick(trial === picked ? -1 : trial);

  document.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("change", (event) => {
    if (event.target.name !== "state") return;
    hidden = new Set(boxes().filter((box) => !box.checked).map((box) => box.value));
    signals("shown", shown());
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "picked") pick(event.target.value === "" ? -1 : Number(event.target.value));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.classList.contains("pick")) toggle(Number(button.value));
    if (button?.classList.contains("sort")) sort(button.closest("th"));
  });
  const sort = (heading) => {
    const body = heading.closest("table").tBodies[0];
    const up = heading.getAttribute("aria-sort") !== "ascending";
    const worth = (row) => {
      const cell = row.cells[heading.cellIndex];
      return cell.dataset.number === undefined ? cell.textContent : Number(cell.dataset.number);
    };
    const order = (one, two) => {
      const [a, b] = [worth(one), worth(two)];
      if (a === "" || b === "") return (a === "") - (b === "");
      const more = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return up ? more : -more;
    };
    heading.parentElement.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...[...body.rows].sort(order));
  };

  const draw = async () => {
    const mine = ++drawing;
    const { specs, datasets } = JSON.parse(document.getElementById("figures").textContent);
    views.forEach((view) => view.finalize());
    views = [];
    for (const place of document.querySelectorAll(".figure")) {
      const { spec, names } = specs[place.id];
      spec.datasets = Object.fromEntries(names.map((name) => [name, datasets[name]]));
      // `ast`: Vega's expressions are interpreted, since this page's policy allows no code to be made from text
      const { view } = await vegaEmbed(place, spec, { renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom" }, logLevel: 1 });
      if (mine !== drawing) return view.finalize();
      place.querySelector("svg").setAttribute("aria-hidden", "true");
      view.addEventListener("click", (_, item) => { if (Number.isInteger(item?.datum?.trial)) toggle(item.datum.trial); });
      if (hidden.size) signal(view, "shown", shown());
      if (picked >= 0) signal(view, "picked", picked);
      views.push(view);
      if (views.length === 1) performance.mark("first figure");
      await new Promise((resume) => setTimeout(resume));
    }
    performance.mark("all figures");
    document.body.dataset.drawn = String(views.length);
  };

  const take = (page) => { // what is new, in the place of what is old; old figures stand until theirs are drawn
    const unfolded = [...document.querySelectorAll("details")].map((one) => one.open);
    const focused = document.activeElement?.id;
    for (const place of page.querySelectorAll(".figure")) {
      const before = document.getElementById(place.id);
      if (before) place.replaceChildren(...before.childNodes);
    }
    for (const name of ["header", "main", "#figures"]) document.querySelector(name).replaceWith(page.querySelector(name));
    document.body.dataset.seen = page.body.dataset.seen;
    document.querySelectorAll("details").forEach((one, place) => { one.open = unfolded[place] ?? false; });
    boxes().forEach((box) => { box.checked = !hidden.has(box.value); });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    mark();
    return draw();
  };
  const look = async () => {
    try {
      const said = await (await fetch(document.body.dataset.address)).text();
      if (said !== document.body.dataset.seen) {
        const page = await (await fetch(location.href)).text();
        await take(new DOMParser().parseFromString(page, "text/html"));
      }
      tell("shown");
    } catch { tell("gone"); }
    setTimeout(look, 1000);
  };
  const tell = (what) => { // screen readers are told once, not each second
    const note = document.getElementById("live");
    if (note.textContent !== note.dataset[what]) note.textContent = note.dataset[what];
  };

  draw().then(() => { if (document.body.dataset.address) look(); });
})();
