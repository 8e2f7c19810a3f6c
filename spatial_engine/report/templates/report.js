// The gallery: filters, pages, keys, the large view. Text of records is bound as text only.
"use strict";

const PAGE_SIZE = 24;
// A ring around a dot that is in the picture goes around the letter beside it, too: pixels of the
// image, which grow with images that are wider than usual.
const NUM_COLORS = 8; // of objects, as in report.css
const RING = { width: 84, usual: 1296, least: 30 };

// Records stay outside the component: Alpine would watch each of them for changes.
const data = window.reportData || { tasks: [], scenes: [], datasets: [], images: [], names: {}, models: [], records: [] };

// What only records of many frames have, or those of a page of verdicts.
const NONE = { outcome: "", verdicts: [], ending: "", choices: [], notes: [], labels: [], plan: "", planSize: [0, 0], planText: "" };

const records = data.records.map((record, number) => ({
  ...NONE,
  ...record,
  key: number,
  anchor: `record-${number}`,
  taskName: data.tasks[record.task],
  sceneName: data.scenes[record.scene],
  datasetName: data.datasets[record.dataset],
  link: `#${encodeURIComponent(record.id)}`,
  kinds: [
    ...record.marks.map((mark) => mark[1]),
    ...record.lines.map(kindOfLine),
    ...(record.notes ?? []).filter((note) => note[2]).map(() => "right"),
  ],
}));

// Objects of a record of many frames have a number, and take turns with the colours.
function kindOfLine(line) {
  if (line[6] >= 0) return `object${line[6] % NUM_COLORS}`;
  return line[1] ? "side" : "box";
}

// What shapes and colours mean, of those kinds only that some record has.
function legendOf(shown) {
  const kinds = new Set(shown.flatMap((record) => record.kinds));
  const dotted = shown.every((record) => record.dotted) ? "dotted" : "";
  return Object.entries(data.names).filter(([kind]) => kinds.has(kind)).map(([kind, name]) => ({
    kind,
    name,
    shape: ["box", "side", "right"].includes(kind) ? `line ${kind}` : markShape(kind, dotted),
  }));
}

// Predictions are in no picture: they have no ring around a dot.
function markShape(kind, dotted) { return `mark ${kind} ${kind.startsWith("said") ? "" : dotted}`; }

// A text in parts: `quoted` ones as code, and short [ lists ] and code that are kept on one line.
function partsOf(text) {
  return text.split(/(`[^`\n]*`|\[[^[\]\n]{1,40}\])/).map((part, key) => {
    const isCode = part.length > 2 && part.startsWith("`") && part.endsWith("`");
    if (isCode) return { key, text: part.slice(1, -1), kind: part.length < 43 ? "code" : "code long" };
    return { key, text: part, kind: key % 2 ? "nowrap" : "" };
  });
}

const COLOR_NAMES = Array.from({ length: NUM_COLORS }, (_, number) => `object${number}`);
// What a filter that is set asks of a record.
const TESTS = {
  task: (value) => (record) => record.taskName === value,
  outcome: (value) => (record) => record.outcome === value,
  verdict1: (value) => (record) => record.verdicts[0]?.[0] === value,
  verdict2: (value) => (record) => record.verdicts[1]?.[0] === value,
  split: (value) => (record) => record.split === value,
  dataset: (value) => (record) => record.datasetName === value,
  scene: (value) => (record) => record.sceneName === value,
  text: (value) => {
    const words = value.toLowerCase().split(/\s+/).filter(Boolean);
    return (record) => words.every((word) => haystack(record).includes(word));
  },
  onlyDoubtful: () => (record) => record.warnings.length > 0,
};
const FILTERS = Object.keys(TESTS);
const OF_VERDICTS = ["outcome", "verdict1", "verdict2"].slice(0, data.models.length && data.models.length + 1);

const numberById = new Map();
for (const record of records) if (!numberById.has(record.id)) numberById.set(record.id, record.key);

const haystacks = []; // filled by the first search

function haystack(record) {
  haystacks[record.key] ??= [
    record.id, record.description, record.question, record.answer, record.value,
    ...record.warnings, ...record.facts, record.other, record.ending, record.planText,
    ...record.choices.flat(), ...record.notes.flat(), ...record.verdicts.flat(),
  ].join("\n").toLowerCase();
  return haystacks[record.key];
}

function ringWidth(image) {
  return `max(${RING.least}px, ${100 * RING.width / Math.min(image.width, RING.usual)}%)`;
}

function pathOfLine([, , x1, y1, x2, y2]) { return `M${x1} ${y1}L${x2} ${y2}`; }

// Above the place, but within the image, of whose width a name takes 60 % at most.
function placeOfName(x, y) {
  const side = x > 600 ? { right: `${100 - x / 10}%` } : { left: `${Math.min(x / 10, 40)}%` };
  return { ...side, bottom: `min(${100 - y / 10}%, 100% - 1.25em)` };
}

function choicesOf(record) {
  return record.choices.map(([letter, text, right, note]) => ({
    key: letter,
    text: `${letter}. ${text}`,
    note: [note, ...chosenBy(record, letter)].filter(Boolean).join(", "),
    kind: right ? "right" : "",
  }));
}

// Which models answered with a letter.
function chosenBy(record, letter) {
  const names = data.models.length > 1 ? data.models.map((name) => `predicted by ${name}`) : ["predicted"];
  return names.filter((_, number) => record.verdicts[number]?.[1].split(", ").includes(letter));
}

function verdictsOf(record) {
  return record.verdicts.map(([kind, read, unread, said], number) => ({
    key: number, kind, read, unread, said, model: data.models[number],
    label: `prediction of ${data.models[number]}`,
  }));
}

function pictureOf(record, number, large) {
  const image = data.images[record.images[number]];
  const marks = record.marks.filter((mark) => mark[0] === number);
  const places = marks.map(([, kind, x, y, label]) =>
    `${[data.names[kind], label].filter(Boolean).join(" ")} at ${x}, ${y}`);
  const lines = record.lines.filter((line) => line[0] === number);
  const pathOf = (kind) => lines.filter((line) => kindOfLine(line) === kind)
    .map(pathOfLine).join("");
  const [frame, fact, right] = record.notes[number] ?? ["", "", false];
  const labels = record.labels.filter((label) => label[0] === number);
  const name = record.images.length > 1 ? `Image-${number + 1}` : "Image";
  return {
    key: `${record.key}-${number}-${large}`,
    src: large ? image.large : image.small,
    small: image.small,
    width: image.width,
    height: image.height,
    shape: { aspectRatio: `${image.width} / ${image.height}` },
    name: frame ? `${name}, frame ${frame}` : name,
    path: image.name,
    fact,
    right,
    hasLines: lines.length > 0,
    box: pathOf("box"),
    side: pathOf("side"),
    rim: lines.some((line) => line[6] >= 0) ? lines.map(pathOfLine).join("") : "",
    ...Object.fromEntries(COLOR_NAMES.map((kind) => [kind, pathOf(kind)])),
    labels: labels.map(([, color, text, x, y], index) => ({
      key: index, text, shape: `name object${color % NUM_COLORS}`, place: placeOfName(x, y),
    })),
    alt: [`${name}: ${image.name}`, fact, right ? data.names.right : "", ...places]
      .filter(Boolean).join("; "),
    action: large ? `zoom into ${name}` : `show ${name} of ${record.id} large`,
    marks: marks.map(([, kind, x, y, label], index) => ({
      key: index,
      // With a label that stands below it at the top; in pictures with dots there is none.
      shape: `${markShape(kind, record.dotted ? "dotted" : "")} ${y < 70 ? "at-top" : ""}`,
      label,
      place: {
        left: `${x / 10}%`,
        top: `${y / 10}%`,
        ...(record.dotted && !kind.startsWith("said") && { width: ringWidth(image) }),
      },
    })),
  };
}

document.addEventListener("alpine:init", () => {
  window.Alpine.data("report", () => ({
    view: "overview",
    task: "",
    outcome: "",
    verdict1: "",
    verdict2: "",
    split: "",
    dataset: "",
    scene: "",
    text: "",
    onlyDoubtful: false,
    showPoints: true,
    found: records.map((record) => record.key), // numbers of the records that fit the filters
    at: 0, // place of the chosen one among them
    chosen: false,
    isOpen: false,
    legend: legendOf(records),
    counts: {}, // by filter of verdicts and value: records that fit the other filters

    init() {
      this.count();
      for (const name of FILTERS) {
        this.$watch(name, () => {
          this.filter();
          if (!this.isOpen) this.replaceAddress(this.filterHash);
        });
      }
      this.followHash();
    },

    // Filters.
    filter() {
      const before = this.chosen ? this.found[this.at] : -1;
      this.found = this.fitting(FILTERS).map((record) => record.key);
      this.count();
      this.at = Math.max(this.found.indexOf(before), 0);
      this.chosen = this.found[this.at] === before;
      this.legend = legendOf(this.found.map((number) => records[number]));
    },
    fitting(names) {
      const tests = names.filter((name) => this[name]).map((name) => TESTS[name](this[name]));
      return records.filter((record) => tests.every((test) => test(record)));
    },
    count() {
      this.counts = Object.fromEntries(OF_VERDICTS.map((filter, number) => {
        const found = {};
        for (const record of this.fitting(FILTERS.filter((name) => name !== filter))) {
          const value = number ? record.verdicts[number - 1][0] : record.outcome;
          found[value] = (found[value] ?? 0) + 1;
        }
        return [filter, found];
      }));
    },
    countOf(filter, value, option) {
      return `${option.dataset.name} (${(this.counts[filter]?.[value] ?? 0).toLocaleString("en")})`;
    },
    clear() {
      for (const name of FILTERS) this[name] = name === "onlyDoubtful" ? false : "";
    },
    toggleDoubtful() { this.onlyDoubtful = !this.onlyDoubtful; },
    get pressedDoubtful() { return String(this.onlyDoubtful); },
    get isAll() {
      return !FILTERS.some((name) => this[name]);
    },
    get isEmpty() { return this.found.length === 0; },
    showTask(event) {
      this.clear();
      const told = event.currentTarget.dataset;
      for (const name of ["task", ...OF_VERDICTS]) this[name] = told[name] ?? "";
      this.show("records");
    },

    // Parts of the report.
    go(event) { this.show(event.currentTarget.dataset.view); },
    show(view) {
      this.view = view;
      window.scrollTo(0, 0);
    },
    currentIf(view) { return this.view === view ? "page" : null; },

    // Pages.
    get pageNumber() { return Math.floor(this.at / PAGE_SIZE); },
    get numPages() { return Math.max(Math.ceil(this.found.length / PAGE_SIZE), 1); },
    get isFirstPage() { return this.pageNumber === 0; },
    get isLastPage() { return this.pageNumber === this.numPages - 1; },
    get page() {
      const start = this.pageNumber * PAGE_SIZE;
      return this.found.slice(start, start + PAGE_SIZE).map((number) => records[number]);
    },
    get countText() {
      const all = records.length.toLocaleString("en");
      return this.isAll ? `${all} records` : `${this.found.length.toLocaleString("en")} of ${all} records`;
    },
    get rangeText() {
      const start = this.pageNumber * PAGE_SIZE;
      const end = Math.min(start + PAGE_SIZE, this.found.length);
      return this.isEmpty ? "" : `showing ${start + 1}-${end} of ${this.found.length.toLocaleString("en")}`;
    },
    get pageText() { return `page ${this.pageNumber + 1} of ${this.numPages}`; },
    previousPage() { this.turn(-1); },
    nextPage() { this.turn(1); },
    turn(step) {
      const number = this.pageNumber + step;
      if (number < 0 || number >= this.numPages) return;
      this.at = number * PAGE_SIZE;
      this.chosen = false;
      window.scrollTo(0, 0);
    },

    // The chosen record.
    get current() { return this.isOpen && !this.isEmpty ? records[this.found[this.at]] : null; },
    get currentLegend() { return this.current ? legendOf([this.current]) : []; },
    get positionText() {
      return `${(this.at + 1).toLocaleString("en")} of ${this.found.length.toLocaleString("en")}`;
    },
    get isFirst() { return this.at === 0; },
    get isLast() { return this.at === this.found.length - 1; },
    cardClass(record) {
      return {
        single: record.images.length === 1,
        many: record.notes.length > 0,
        chosen: this.chosen && record.key === this.found[this.at],
      };
    },
    next() { this.step(1); },
    previous() { this.step(-1); },
    step(by) {
      const at = this.chosen ? this.at + by : this.at;
      if (at < 0 || at >= this.found.length) return;
      this.choose(at);
      if (!this.isOpen) return;
      this.replaceAddress(this.current.link);
      this.$refs.dialog.scrollTop = 0;
    },
    choose(at) {
      this.at = at;
      this.chosen = true;
      if (!this.reach()) this.$nextTick(() => this.reach()); // on a page that is not there yet
    },
    reach() {
      const card = document.getElementById(records[this.found[this.at]].anchor);
      card?.scrollIntoView({ block: "nearest" });
      if (!this.isOpen) card?.focus({ preventScroll: true });
      return card;
    },

    // The large view. Its address is the record's; that of the list is one step back.
    open(record) {
      if (!this.isOpen) history.pushState({ aboveList: true }, "", record.link);
      this.display(record);
    },
    display(record) {
      this.choose(this.found.indexOf(record.key));
      this.isOpen = true;
      if (!this.$refs.dialog.open) this.$refs.dialog.showModal();
    },
    close() { this.$refs.dialog.close(); },
    closeOutside(event) { if (event.target === this.$refs.dialog) this.close(); },
    closed() {
      if (this.isOpen && history.state?.aboveList) history.back();
      else this.replaceAddress(this.filterHash);
      this.isOpen = false;
      this.choose(this.at);
    },
    zoom(event) { // to the image's own pixels, twice its size at least; the place clicked stays
      const picture = event.currentTarget;
      const frame = picture.parentElement;
      const box = picture.getBoundingClientRect();
      const [x, y] = event.detail // a key has no place
        ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
        : [0.5, 0.5];
      const isZoomed = frame.classList.toggle("zoomed");
      const width = Math.max(2 * frame.clientWidth, picture.querySelector("img").naturalWidth);
      picture.style.width = isZoomed ? `${width}px` : "";
      frame.scrollTo(
        x * (picture.offsetWidth - frame.clientWidth),
        y * (picture.offsetHeight - frame.clientHeight),
      );
    },

    // The address: a record's id, or filters.
    get filterHash() {
      const set = FILTERS.filter((name) => this[name]).map((name) => [name, String(this[name])]);
      return set.length ? `#${new URLSearchParams(set)}` : "";
    },
    replaceAddress(hash) {
      // Without a hash the whole path: an empty address would leave the old hash.
      history.replaceState(history.state, "", hash || location.pathname + location.search);
    },
    followHash() {
      const hash = location.hash.slice(1);
      let id = hash;
      try { id = decodeURIComponent(hash); } catch { /* no id, then */ }
      const number = numberById.get(id);
      if (number !== undefined) this.followRecord(records[number]);
      else this.followFilters(new URLSearchParams(hash));
    },
    followRecord(record) {
      this.view = "records";
      if (!this.found.includes(record.key)) {
        this.clear();
        this.filter();
      }
      this.$nextTick(() => {
        this.display(record);
        this.replaceAddress(record.link); // which the new filters have replaced
      });
    },
    followFilters(told) {
      for (const name of FILTERS) {
        if (name === "onlyDoubtful") this[name] = told.get(name) === "true";
        else this[name] = told.get(name) ?? "";
      }
      if (!this.isAll) this.view = "records";
      if (this.isOpen) {
        this.isOpen = false;
        this.close();
      }
    },

    // Pictures and points.
    picturesOf(record, large) {
      return record.images.map((_, number) => pictureOf(record, number, large));
    },
    fallBack(event) { // the images themselves are elsewhere: their small copies will do
      const { small } = event.target.dataset;
      if (event.target.getAttribute("src") !== small) event.target.src = small;
    },
    partsOf,
    choicesOf,
    verdictsOf,
    shapeOf(size) { return { aspectRatio: `${size[0]} / ${size[1]}` }; },
    picturesClass(record) { return { many: record.notes.length > 0 }; },
    togglePoints() { this.showPoints = !this.showPoints; },
    get pressed() { return String(this.showPoints); },

    key(event) {
      const typing = event.target.matches("input, select, textarea");
      if (this.view !== "records" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const onButton = event.target.matches("button, a, summary");
      const actions = {
        ArrowRight: () => this.next(),
        ArrowLeft: () => this.previous(),
        j: () => this.next(),
        k: () => this.previous(),
        p: () => this.togglePoints(),
        "/": () => { if (!this.isOpen) document.getElementById("filter-text").focus(); },
        Enter: () => {
          if (!onButton && this.chosen && !this.isOpen) this.open(records[this.found[this.at]]);
        },
      };
      if (!(event.key in actions)) return;
      actions[event.key]();
      if (event.key !== "Enter") event.preventDefault();
    },
  }));
});
