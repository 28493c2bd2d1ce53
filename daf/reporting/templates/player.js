/* Plays the episodes of a mission's page: slider, speed, and a choice of episodes. Without it, style sheets alone move
   the median episode. Positions are in the page, one character per coordinate and frame. */
(function () {
  "use strict";
  var OFFSET = 35, GHOST_SECONDS = 0.1, HOLD_SECONDS = 1.5;
  var still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  function heights(scene) {  // the mean reward's curve: [[step, thousandths from the top], …]
    var line = scene.querySelector(".track.all");
    return line ? line.getAttribute("points").split(" ").map(function (pair) { return pair.split(",").map(Number); }) : [];
  }

  function between(points, step) {
    for (var i = 1; i < points.length; i++) {
      if (step <= points[i][0]) {
        var part = (step - points[i - 1][0]) / (points[i][0] - points[i - 1][0]);
        return points[i - 1][1] + part * (points[i][1] - points[i - 1][1]);
      }
    }
    return points.length ? points[points.length - 1][1] : 0;
  }

  function sceneOf(element) {
    var data = JSON.parse(element.querySelector("script").textContent);
    var marks = [].map.call(element.querySelectorAll("[data-agent]"), function (mark) {
      return { element: mark, agent: Number(mark.dataset.agent), lag: Number(mark.dataset.lag || 0) };
    });
    var curve = heights(element), now = element.querySelector(".now"), here = element.querySelector(".here");

    function coordinate(text, frame) {
      var low = Math.floor(frame), high = Math.min(low + 1, text.length - 1);
      var from = text.charCodeAt(low) - OFFSET;
      return from + (frame - low) * (text.charCodeAt(high) - OFFSET - from);
    }
    return {
      element: element, steps: data.steps, seconds: data.seconds,
      draw: function (step) {
        marks.forEach(function (mark) {
          var at = Math.max(0, step - mark.lag * GHOST_SECONDS * data.steps / data.seconds);
          var last = data.x[mark.agent].length - 1;
          // The last frame may cover fewer steps than the others.
          var frame = at >= data.each * (last - 1) && last > 0
            ? last - 1 + (at - data.each * (last - 1)) / (data.steps - data.each * (last - 1)) : at / data.each;
          mark.element.style.transform =
            "translate(" + coordinate(data.x[mark.agent], frame) + "px," + coordinate(data.y[mark.agent], frame) + "px)";
        });
        if (now) { now.style.left = 100 * step / data.steps + "%"; here.style.top = between(curve, step) / 10 + "%"; }
      }
    };
  }

  function start(player) {
    var scenes = [].map.call(player.querySelectorAll(".scene"), sceneOf);
    var controls = player.querySelector(".controls"), button = controls.querySelector("button");
    var slider = controls.querySelector("input"), speed = controls.querySelector("select");
    var output = controls.querySelector("output");
    var scene, step = 0, held = 0, playing = false, visible = false, running = false, last = null;

    function show() {
      scene.draw(step);
      slider.value = Math.round(step);
      var text = "step " + Math.round(step).toLocaleString("en") + " of " + scene.steps.toLocaleString("en");
      output.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    }
    function frame(time) {
      if (!playing || !visible) { running = false; return; }
      if (last !== null) {
        var passed = Math.min(0.25, (time - last) / 1000) * Number(speed.value);
        if (step < scene.steps) { step = Math.min(scene.steps, step + passed * scene.steps / scene.seconds); }
        else if ((held += passed) > HOLD_SECONDS) { step = 0; held = 0; }
        show();
      }
      last = time;
      requestAnimationFrame(frame);
    }
    function run() {
      if (playing && visible && !running) { running = true; last = null; requestAnimationFrame(frame); }
    }
    function play(on) {
      playing = on;
      button.textContent = on ? "Pause" : "Play";
      if (on) { player.classList.add("touched"); run(); }
    }
    function choose() {
      var chosen = player.querySelector(".choice input:checked");
      scene = scenes.filter(function (one) { return one.element.dataset.episode === chosen.value; })[0];
      step = still && !player.classList.contains("touched") ? scene.steps : 0; held = 0;
      slider.max = scene.steps;
      show();
    }
    player.querySelectorAll(".choice input").forEach(function (input) { input.addEventListener("change", choose); });
    button.addEventListener("click", function () {
      if (!playing && step >= scene.steps) { step = 0; held = 0; }
      play(!playing);
    });
    slider.addEventListener("input", function () {
      player.classList.add("touched"); play(false); step = Number(slider.value); held = 0; show();
    });
    addEventListener("beforeprint", function () { play(false); step = scene.steps; show(); });
    controls.hidden = false;
    player.classList.add("scripted");
    choose();
    play(!still);
    new IntersectionObserver(function (entries) {
      visible = entries[entries.length - 1].isIntersecting;
      run();
    }).observe(player);
  }
  document.querySelectorAll(".player").forEach(start);

  document.querySelectorAll("button.copy").forEach(function (copy) {
    copy.hidden = false;
    copy.addEventListener("click", function () {
      var code = copy.parentNode.querySelector("code"), selection = getSelection();
      selection.selectAllChildren(code);
      function say(text) { copy.textContent = text; copy.setAttribute("aria-label", text); }
      function selected() { say("Selected: copy with Ctrl+C"); }
      if (navigator.clipboard) { navigator.clipboard.writeText(code.textContent).then(function () { say("Copied"); }, selected); }
      else { selected(); }
    });
  });
})();
