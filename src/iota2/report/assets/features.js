"use strict";
(function () {
  function all(parent, selector) { return Array.prototype.slice.call(parent.querySelectorAll(selector)); }

  all(document, ".shows").forEach(function (section) {
    var shows = all(section, ".show");
    var select = section.querySelector("select");
    var slider = section.querySelector("input[type=range]");
    var label = section.querySelector("label.date");
    var output = section.querySelector("output");
    var button = section.querySelector("button");
    var timer = 0;

    function figures() { return all(shows[select ? select.selectedIndex : 0], "figure"); }
    function day(figure) { return figure ? figure.getAttribute("data-day") : ""; }

    function draw() {
      var list = figures();
      list.forEach(function (figure, number) { figure.hidden = number !== +slider.value; });
      var shown = day(list[+slider.value]);
      output.textContent = list.length > 1 ? shown + " (" + (+slider.value + 1) + " of " + list.length + ")" : shown;
      slider.setAttribute("aria-valuetext", shown);
    }
    /* Another series starts at the last of its dates that is not after the date shown before. */
    function change(before) {
      var list = figures();
      var place = 0;
      list.forEach(function (figure, number) { if (day(figure) <= before) place = number; });
      slider.max = Math.max(list.length - 1, 0);
      slider.value = place;
      label.hidden = button.hidden = list.length < 2;
      shows.forEach(function (show, number) { show.hidden = number !== (select ? select.selectedIndex : 0); });
      draw();
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      button.textContent = "Play";
    }
    slider.addEventListener("input", function () { stop(); draw(); });
    button.addEventListener("click", function () {
      if (timer) { stop(); return; }
      button.textContent = "Stop";
      timer = setInterval(function () {
        slider.value = +slider.value < +slider.max ? +slider.value + 1 : 0;
        draw();
      }, 700);
    });
    if (select) {
      select.addEventListener("change", function () {
        stop();
        change(slider.getAttribute("aria-valuetext") || "");
      });
      all(section, ".show > h3").forEach(function (title) { title.hidden = true; });
      select.selectedIndex = 0;
    }
    section.querySelector(".controls").hidden = false;
    change("");
  });

  var statistics = document.getElementById("statistics");
  var field = statistics.querySelector("input[type=search]");
  var named = all(statistics, "[data-name]");
  field.addEventListener("input", function () {
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    var found = 0;
    named.forEach(function (one) {
      var name = one.getAttribute("data-name").toLowerCase();
      one.hidden = !words.every(function (word) { return name.indexOf(word) >= 0; });
      if (!one.hidden) found += 1;
    });
    statistics.querySelector("output").textContent = words.length ? found + " of " + named.length : "";
  });
  statistics.querySelector(".controls").hidden = named.length < 2;
})();
