// Takes the names of functions out of a WebAssembly program: they are for debuggers, and a tenth of what a visitor would have to load.

/** The bytes of a program without its `name` section (WebAssembly's binary format: an id, a length, and for id 0 a name). */
export function withoutNames(bytes) {
  const kept = [bytes.subarray(0, 8)];
  for (let at = 8; at < bytes.length; ) {
    const [length, body] = leb(bytes, at + 1);
    const [size, text] = bytes[at] === 0 ? leb(bytes, body) : [0, body];
    const name = bytes.subarray(text, text + size).toString();
    if (bytes[at] !== 0 || name !== 'name') kept.push(bytes.subarray(at, body + length));
    at = body + length;
  }
  return Buffer.concat(kept);
}

/** A number of seven bits a byte, and where it ends. */
function leb(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7, at += 1) {
    value += (bytes[at] & 127) * 2 ** shift;
    if (bytes[at] < 128) return [value, at + 1];
  }
}
