/** Binary answers of the server: base64 of little-endian arrays. */

/** Bytes of a base64 string. */
export function bytesOf(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export const floatsOf = (base64: string) => new Float32Array(bytesOf(base64).buffer);
export const countsOf = (base64: string) => new Uint32Array(bytesOf(base64).buffer);

/** Base64 of a bitmask, lowest bit first, to one byte (0 or 1) an entry. */
export function maskOf(base64: string, n: number): Uint8Array {
  const bytes = bytesOf(base64);
  const mask = new Uint8Array(n);
  for (let i = 0; i < n; i++) mask[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  return mask;
}
