/** A tree of source files, some of them awkward. */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes the tree in a folder that is there. Returns how many files in it look like source. */
export function makeTree(folder: string, files: number): number {
  for (let n = 0; n < files; n += 1) {
    const place = join(folder, `part-${n % 7}`, n % 3 === 0 ? 'deep' : '');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, `file-${n}.ts`), `// TODO ${n}\nexport function f${n}(): number {\n  return ${n};\n}\n`);
  }
  const odd = ['binary.ts', 'latin.ts', 'empty.py', `${'long'.repeat(60)}.ts`, 'a\nb\x1b[31m.ts', 'ünï.rs'];
  for (const name of odd) writeFileSync(join(folder, name), `# ${name}\n`);
  writeFileSync(join(folder, 'binary.ts'), new Uint8Array([0, 1, 2, 255]));
  writeFileSync(join(folder, 'latin.ts'), new Uint8Array([0x63, 0x61, 0x66, 0xe9]));
  writeFileSync(join(folder, 'notes.txt'), 'not source\n');
  symlinkSync('..', join(folder, 'part-0', 'cycle'));
  symlinkSync('nowhere', join(folder, 'dead.ts'));
  // Its name is not UTF-8, so a worker cannot open it: the result says so.
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff]), Buffer.from('.ts')]), 'x');
  return files + odd.length + 1;
}
