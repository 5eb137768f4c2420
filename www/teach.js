// Asks before the page is left while there are demonstrations that are in no file. In a frame nobody is asked: the page outside
// is another's, and hears of them by itself.

const ask = (event) => event.preventDefault();

document.querySelector('protege-demo').addEventListener('protege-unsaved', ({ detail: { count } }) => {
  if (count && window === top) addEventListener('beforeunload', ask);
  else removeEventListener('beforeunload', ask);
});
