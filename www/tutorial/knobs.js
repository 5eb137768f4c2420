// Sliders and choices beside a demo: <fieldset class="knobs" data-for="id">, each input named after an attribute.

for (const knobs of document.querySelectorAll('.knobs[data-for]')) {
  const demo = document.getElementById(knobs.dataset.for);
  const show = ({ labels, value }) => {
    const output = labels[0].querySelector('output');
    if (output) output.value = value;
  };
  knobs.querySelectorAll('input').forEach(show);
  knobs.addEventListener('input', ({ target }) => show(target));
  // A setting begins the demo anew, so it is taken when the slider rests.
  knobs.addEventListener('change', ({ target }) => demo.setAttribute(target.name, target.value));
}
