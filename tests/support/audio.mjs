// Recordings, made up.

/** Silence as a WAV file: 8 kHz, 8 bit, mono. @param {number} seconds */
export function silence(seconds) {
  const size = 8_000 * seconds;
  const file = Buffer.alloc(44 + size, 128);
  file.write("RIFF", 0);
  file.writeUInt32LE(36 + size, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16); // of this header part
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(1, 22); // channels
  file.writeUInt32LE(8_000, 24); // samples a second
  file.writeUInt32LE(8_000, 28); // bytes a second
  file.writeUInt16LE(1, 32); // bytes a sample
  file.writeUInt16LE(8, 34); // bits a sample
  file.write("data", 36);
  file.writeUInt32LE(size, 40);
  return file;
}
