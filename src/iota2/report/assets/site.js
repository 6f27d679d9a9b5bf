"use strict";
(function () {
  var holder = document.getElementById("graph");
  if (!holder) return;
  var svg = holder.querySelector("svg");
  var jobs = JSON.parse(document.getElementById("jobs").textContent);
  var cells = Array.prototype.slice.call(svg.querySelectorAll(".cell"));
  var lines = Array.prototype.slice.call(svg.querySelectorAll(".line"));
  var panel = document.getElementById("panel");
  var field = document.getElementById("search");
  var count = document.getElementById("found");

  /* "seed 1" is one search term that does not match "seed 10". */
  function joinKeys(text) {
    return text.toLowerCase().replace(/(^|\s)(part|region|seed|sensor)\s+(\S+)/g, "$1$2=$3;");
  }
  function searchTerms() { return joinKeys(field.value).split(/\s+/).filter(Boolean); }

  var texts = jobs.map(function (list) {
    return list.map(function (job) { return joinKeys(job[0] + " " + job[6]); });
  });
  var WORDS = JSON.parse(document.getElementById("words").textContent);

  /* Zoom, search text and focus are kept when the page reloads. */
  var memory = "iota2:" + location.pathname;
  function recall() {
    try { return JSON.parse(sessionStorage.getItem(memory)) || {}; } catch (error) { return {}; }
  }
  function keep(name, value) {
    var all = recall();
    all[name] = value;
    try { sessionStorage.setItem(memory, JSON.stringify(all)); } catch (error) { /* private window */ }
  }

  /* The page reloads during the run, except shortly after the reader has typed, dragged or scrolled. */
  var touched = 0, every = +document.body.getAttribute("data-refresh");
  function busy() { touched = Date.now(); }
  ["keydown", "mousedown", "wheel", "touchstart"].forEach(function (kind) {
    document.addEventListener(kind, busy, { capture: true, passive: true });
  });
  if (every) {
    setInterval(function () {
      if (Date.now() - touched < every * 1000) return;
      var at = document.activeElement, cell = at && at.querySelector && (at.closest(".cell") || at.querySelector(".cell"));
      keep("focus", at === field ? "search" : cell && svg.contains(at) ? cell.getAttribute("data-n") : null);
      location.reload();
    }, every * 1000);
  }

  var zoom = svgPanZoom(svg, {
    controlIconsEnabled: false, dblClickZoomEnabled: false, fit: true, contain: false, center: true, minZoom: 0.2,
    maxZoom: 30, zoomScaleSensitivity: 0.3, mouseWheelZoomEnabled: true
  });
  var kept = recall();
  if (kept.view) { zoom.zoom(kept.view.zoom); zoom.pan(kept.view.pan); }
  function keepView() { keep("view", { zoom: zoom.getZoom(), pan: zoom.getPan() }); }
  zoom.setOnZoom(keepView);
  zoom.setOnPan(keepView);
  document.getElementById("closer").onclick = function () { zoom.zoomIn(); };
  document.getElementById("further").onclick = function () { zoom.zoomOut(); };
  document.getElementById("whole").onclick = function () { zoom.resize(); zoom.fit(); zoom.center(); keepView(); };

  /* Every search term must occur in the name or the key of a job. */
  function search() {
    var words = searchTerms();
    var total = 0;
    cells.forEach(function (cell) {
      var hits = texts[+cell.getAttribute("data-n")].filter(function (text) {
        return words.every(function (word) { return text.indexOf(word) >= 0; });
      }).length;
      total += words.length ? hits : 0;
      cell.classList.toggle("hit", words.length > 0 && hits > 0);
      cell.classList.toggle("dim", words.length > 0 && hits === 0);
    });
    svg.classList.toggle("searching", words.length > 0);
    count.textContent = words.length ? total + (total === 1 ? " job" : " jobs") : "";
    keep("search", field.value);
  }
  field.addEventListener("input", search);
  if (kept.search) { field.value = kept.search; search(); }

  /* List of jobs below the graph; values are inserted as text only. */
  function element(name, text, parent, kind) {
    var made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    parent.appendChild(made);
    return made;
  }
  function show(number) {
    var list = jobs[number], words = searchTerms();
    panel.textContent = "";
    var head = element("h2", list.length === 1 ? list[0][0] : list[0][0].split("/")[0] + ": " + list.length + " jobs", panel);
    head.tabIndex = -1;
    var wide = element("div", "", panel, "wide");
    var table = element("table", "", wide, "full");
    list.filter(function (job, index) {
      return words.every(function (word) { return texts[number][index].indexOf(word) >= 0; });
    }).slice(0, 500).forEach(function (job) {
      var row = element("tr", "", table);
      element("span", WORDS[job[1]], element("td", "", row, "left"), "pill s-" + job[1]);
      var cell = element("td", "", row, "left");
      if (job[5]) { element("a", job[0], cell).href = job[5]; } else { element("span", job[0], cell); }
      element("td", job[2], row);
      element("td", job[3] ? job[3] + " MiB" : "", row);
      element("td", job[4], row, "left reason");
    });
    panel.hidden = false;
    cells.forEach(function (cell) { cell.classList.toggle("chosen", +cell.getAttribute("data-n") === number); });
    keep("chosen", list[0][0]);
    return head;
  }

  /* The click at the end of a drag is ignored. */
  var from = null, moved = false;
  svg.addEventListener("mousedown", function (event) { from = [event.clientX, event.clientY]; moved = false; }, true);
  svg.addEventListener("mousemove", function (event) {
    if (from && Math.abs(event.clientX - from[0]) + Math.abs(event.clientY - from[1]) > 5) moved = true;
  }, true);
  svg.addEventListener("click", function (event) {
    from = null;
    if (moved) { event.preventDefault(); event.stopPropagation(); return; }
    var cell = event.target.closest(".cell");
    if (!cell || event.target.closest("a")) return;
    show(+cell.getAttribute("data-n")).scrollIntoView({ block: "nearest" });
  }, true);
  cells.forEach(function (cell) {
    cell.addEventListener("mouseenter", function () { light(cell.getAttribute("data-n"), true); });
    cell.addEventListener("mouseleave", function () { light(cell.getAttribute("data-n"), false); });
    cell.addEventListener("keydown", function (event) {
      if ((event.key === "Enter" || event.key === " ") && !cell.closest("a")) {
        event.preventDefault();
        show(+cell.getAttribute("data-n")).focus();
      }
    });
  });
  function light(number, on) {
    lines.forEach(function (line) {
      if (line.getAttribute("data-a") === number || line.getAttribute("data-b") === number) {
        line.classList.toggle("lit", on);
      }
    });
  }
  if (kept.focus) {
    var place = kept.focus === "search" ? field : cells[+kept.focus];
    if (place) (place.closest("a") || place).focus({ preventScroll: true });
    keep("focus", null);
  }
  if (kept.chosen) {
    jobs.some(function (list, number) {
      if (list.length > 1 && list[0][0] === kept.chosen) { show(number); return true; }
      return false;
    });
  }
})();
