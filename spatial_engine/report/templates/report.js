// The gallery: filters, pages, keys, the large view. Text of records is bound as text only.
"use strict";

const PAGE_SIZE = 24;

// Records stay outside the component: Alpine would watch each of them for changes.
const data = window.reportData || { tasks: [], scenes: [], images: [], records: [] };

const NAMES = { asked: "asked point", answered: "answer", option: "other option" };

const records = data.records.map((record, number) => ({
  ...record,
  key: number,
  anchor: `record-${number}`,
  taskName: data.tasks[record.task],
  sceneName: data.scenes[record.scene],
  link: `#${encodeURIComponent(record.id)}`,
  hasMarks: record.marks.length > 0,
}));

const numberById = new Map();
for (const record of records) if (!numberById.has(record.id)) numberById.set(record.id, record.key);

const haystacks = []; // filled by the first search

function haystack(record) {
  haystacks[record.key] ??= [
    record.id, record.description, record.question, record.answer, record.value,
    ...record.warnings, ...record.facts, record.other,
  ].join("\n").toLowerCase();
  return haystacks[record.key];
}

function pictureOf(record, number, large) {
  const image = data.images[record.images[number]];
  const marks = record.marks.filter((mark) => mark[0] === number);
  const places = marks.map(([, kind, x, y, label]) => `${NAMES[kind]} ${label} at ${x}, ${y}`);
  const name = record.images.length > 1 ? `Image-${number + 1}` : "Image";
  return {
    key: `${record.key}-${number}-${large}`,
    src: large ? image.large : image.small,
    small: image.small,
    width: image.width,
    height: image.height,
    shape: { aspectRatio: `${image.width} / ${image.height}` },
    caption: `${name}  ${image.name}`,
    alt: [`${name}: ${image.name}`, ...places].join("; "),
    action: `show ${name} of ${record.id} large`,
    marks: marks.map(([, kind, x, y, label], index) => ({
      key: index,
      shape: y < 70 ? `${kind} at-top` : kind, // its label stands below it
      label,
      place: { left: `${x / 10}%`, top: `${y / 10}%` },
    })),
  };
}

document.addEventListener("alpine:init", () => {
  window.Alpine.data("report", () => ({
    view: "overview",
    task: "",
    split: "",
    scene: "",
    text: "",
    onlyDoubtful: false,
    showPoints: true,
    found: records.map((record) => record.key), // numbers of the records that fit the filters
    at: 0, // place of the chosen one among them
    chosen: false,
    isOpen: false,

    init() {
      for (const name of ["task", "split", "scene", "text", "onlyDoubtful"]) {
        this.$watch(name, () => this.filter());
      }
      this.followHash();
    },

    // Filters.
    filter() {
      const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
      const before = this.chosen ? this.found[this.at] : -1;
      this.found = records.filter((record) =>
        (!this.task || record.taskName === this.task) &&
        (!this.split || record.split === this.split) &&
        (!this.onlyDoubtful || record.warnings.length) &&
        (!this.scene || record.sceneName === this.scene) &&
        words.every((word) => haystack(record).includes(word))
      ).map((record) => record.key);
      this.at = Math.max(this.found.indexOf(before), 0);
      this.chosen = this.found[this.at] === before;
    },
    clear() {
      this.task = this.split = this.scene = this.text = "";
      this.onlyDoubtful = false;
    },
    toggleDoubtful() { this.onlyDoubtful = !this.onlyDoubtful; },
    get pressedDoubtful() { return String(this.onlyDoubtful); },
    get isAll() {
      return !(this.task || this.split || this.scene || this.text || this.onlyDoubtful);
    },
    get isEmpty() { return this.found.length === 0; },
    showTask(event) {
      this.clear();
      this.task = event.currentTarget.dataset.task;
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
      return this.isEmpty ? "" : `${start + 1} to ${end} below`;
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
    cardClass(record) { return this.chosen && record.key === this.found[this.at] ? "chosen" : ""; },
    next() { this.step(1); },
    previous() { this.step(-1); },
    step(by) {
      const at = this.chosen ? this.at + by : this.at;
      if (at < 0 || at >= this.found.length) return;
      this.choose(at);
      if (this.isOpen) this.setHash(this.current.link);
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

    // The large view.
    open(record) {
      this.choose(this.found.indexOf(record.key));
      this.isOpen = true;
      this.setHash(record.link);
      if (!this.$refs.dialog.open) this.$refs.dialog.showModal();
    },
    close() { this.$refs.dialog.close(); },
    closeOutside(event) { if (event.target === this.$refs.dialog) this.close(); },
    closed() {
      this.isOpen = false;
      this.setHash("#");
      this.choose(this.at);
    },
    setHash(hash) { history.replaceState(null, "", hash); },
    followHash() {
      let id = location.hash.slice(1);
      try { id = decodeURIComponent(id); } catch { return; }
      const number = numberById.get(id);
      if (number === undefined) return;
      this.view = "records";
      if (!this.found.includes(number)) {
        this.clear();
        this.filter();
      }
      this.$nextTick(() => this.open(records[number]));
    },

    // Pictures and points.
    picturesOf(record, large) {
      return record.images.map((_, number) => pictureOf(record, number, large));
    },
    fallBack(event) { // the images themselves are elsewhere: their small copies will do
      const { small } = event.target.dataset;
      if (event.target.getAttribute("src") !== small) event.target.src = small;
    },
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
