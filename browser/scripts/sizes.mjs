// Sizes as the reference packs them: GNU gzip and Python's zlib, which agree. Node's zlib is Chromium's, and packs otherwise.
import { execFileSync, spawn } from 'node:child_process';

/** Bytes of a file as `gzip -9` packs it, with the file's name in the header, or with `-n` where no name is given. */
export const gzipSize = (text, name) => execFileSync('gzip', ['-9', '-n'], { input: text }).length + (name ? Buffer.byteLength(name) + 1 : 0);

const MEASURE = `
import sys, zlib
while head := sys.stdin.buffer.read(4):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    size = len(packer.compress(sys.stdin.buffer.read(int.from_bytes(head, "big"))) + packer.flush())
    sys.stdout.buffer.write(size.to_bytes(4, "big"))
    sys.stdout.buffer.flush()
`;

const startProcess = () => {
  const child = spawn(process.env.PYTHON || 'python3', ['-c', MEASURE], { stdio: ['pipe', 'pipe', 'inherit'] });
  let got = Buffer.alloc(0);
  const waiting = [];
  child.stdout.on('data', (chunk) => {
    got = Buffer.concat([got, chunk]);
    for (; got.length >= 4; got = got.subarray(4)) waiting.shift().done(got.readUInt32BE(0));
  });
  const fail = (cause) => waiting.splice(0).forEach(({ failed }) => failed(new Error('no size from Python: ' + cause)));
  child.on('error', fail);
  child.on('exit', fail);
  return {
    measure: (text) =>
      new Promise((done, failed) => {
        waiting.push({ done, failed });
        const head = Buffer.alloc(4);
        head.writeUInt32BE(Buffer.byteLength(text));
        child.stdin.write(head);
        child.stdin.write(text);
      }),
    close: () => child.stdin.end(),
  };
};

/** Processes of Python's that measure in turn, together a few thousand texts a second. `sizeOf` answers the bytes as gzip without a file name. */
export const startSizer = (count) => {
  const processes = Array.from({ length: count }, startProcess);
  let turn = 0;
  return {
    sizeOf: (text) => processes[turn++ % count].measure(text),
    close: () => processes.forEach((one) => one.close()),
  };
};
