// What the pages do beyond HTML: the theme, one's own time zone, charts and live parts.
"use strict";

const root = document.documentElement;
const charts = new Set();
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

root.dataset.theme = localStorage.getItem("theme") ?? "";

document.addEventListener("DOMContentLoaded", () => {
    start(document);
    for (const part of document.querySelectorAll("[data-live]")) follow(part);
});
// What a search leaves open isn't part of its address.
document.addEventListener("formdata", ({ target, formData }) => {
    if (target.method === "get") for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});
document.addEventListener("htmx:load", ({ target }) => start(target));

function start(part) {
    const all = (selector) => [...(part.matches?.(selector) ? [part] : []), ...part.querySelectorAll(selector)];
    for (const time of all("time[datetime]:not([title])")) {
        time.title = time.dateTime;
        const at = new Date(time.dateTime);
        const isToday = at.toDateString() === new Date().toDateString();
        time.textContent = ("clock" in time.dataset && isToday ? clock : moment).format(at);
    }
    for (const button of all("[data-theme-switch]")) {
        button.hidden = false;
        button.onclick = switchTheme;
    }
    for (const figure of all("[data-chart]:not(:has(.uplot))")) draw(figure);
}

function switchTheme() {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    for (const chart of charts) chart.redraw();
}

/** Appends what is new to an element, puts it first or replaces what is there: data-live-most, -first, -replace. */
function follow(part) {
    const { live, liveMost = 1000, liveFirst, liveReplace } = part.dataset;
    const isFirst = liveFirst !== undefined;
    const gone = document.createElement("p");
    let count = 0;
    const trouble = document.createElement("p");
    trouble.setAttribute("role", "status");
    trouble.className = "failure";
    const say = (text) => {
        trouble.textContent = text;
        if (text) part.before(trouble);
        else trouble.remove();
    };
    const source = new EventSource(live);
    source.onopen = () => say("");
    source.onerror = () => say("The console doesn't answer; the page tries again. If it was ended, start it.");
    source.addEventListener("failure", ({ data }) => say(data));
    source.addEventListener("nothing", () => say(""));
    source.onmessage = ({ data }) => {
        say("");
        const added = document.createElement("template");
        added.innerHTML = data;
        const isAtEnd = !isFirst && innerHeight + scrollY >= document.body.scrollHeight - 40;
        if (liveReplace !== undefined) forget(part.children);
        // After a lost connection lines may come again.
        else for (const each of [...added.content.children]) if (document.getElementById(each.id)) each.remove();
        const news = [...added.content.children];
        part[isFirst ? "prepend" : "append"](...news);
        const old = isFirst ? [...part.children].slice(liveMost) : [...part.children].slice(0, -liveMost);
        forget(old);
        count += old.length;
        gone.textContent = `${count.toLocaleString()} older lines have left this page: Pause has them all.`;
        if (count && isFirst) part.after(gone);
        news.forEach((each) => {
            start(each);
            htmx.process(each);
        });
        if (isAtEnd) scrollTo(0, document.body.scrollHeight);
    };
}

function forget(elements) {
    for (const each of [...elements]) {
        for (const chart of charts) {
            if (!each.contains(chart.root)) continue;
            chart.destroy();
            charts.delete(chart);
        }
        each.remove();
    }
}

/** Draws {"times": [epoch seconds], "series": {"name": [numbers]}, "unit": "ms"} of data-chart. */
function draw(figure) {
    const { times, series, unit = "" } = JSON.parse(figure.dataset.chart);
    const probe = figure.appendChild(document.createElement("i"));
    const colour = (name) => () => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color;
    };
    const axis = { stroke: colour("text"), grid: { stroke: colour("line") }, ticks: { stroke: colour("line") } };
    const names = Object.keys(series);
    const options = {
        width: figure.clientWidth,
        height: 180,
        cursor: { drag: { x: false } },
        axes: [axis, { ...axis, size: 60, values: (_, all) => all.map((each) => `${each}${unit && ` ${unit}`}`) }],
        series: [{}, ...names.map((label, at) => ({ label, stroke: colour(`series-${at + 1}`), width: 2 }))],
    };
    const chart = new uPlot(options, [times, ...Object.values(series)], figure);
    charts.add(chart);
    new ResizeObserver(() => chart.setSize({ width: figure.clientWidth, height: 180 })).observe(figure);
}
