import {
  linkSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  openSync,
  writeSync,
  ftruncateSync,
  closeSync,
  chmodSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { extractTo, shell } from '../archive/archives.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { truths } from './tar-truth.ts'

/** Each makes `out.tar` of the folder `t`. */
const COMMANDS: Record<string, string> = {
  'GNU tar, v7': 'tar --format=v7 --exclude=long* -cf out.tar t',
  'GNU tar, oldgnu': 'tar --format=oldgnu -cf out.tar t',
  'GNU tar, gnu': 'tar --format=gnu -cf out.tar t',
  'GNU tar, ustar': 'tar --format=ustar --exclude=long* -cf out.tar t',
  'GNU tar, posix': 'tar --format=posix -cf out.tar t',
  'GNU tar, sparse': 'tar -S -cf out.tar t',
  'GNU tar, sparse 0.0': 'tar -S --format=posix --sparse-version=0.0 -cf out.tar t',
  'GNU tar, sparse 0.1': 'tar -S --format=posix --sparse-version=0.1 -cf out.tar t',
  'GNU tar, sparse 1.0': 'tar -S --format=posix --sparse-version=1.0 -cf out.tar t',
  'GNU tar, incremental': 'tar -g list -cf out.tar t',
  'GNU tar, incremental posix': 'tar -g list2 --format=posix -cf out.tar t',
  'GNU tar, label': 'tar -V "a label" -cf out.tar t',
  'GNU tar, label posix': 'tar -V "a label" --format=posix -cf out.tar t',
  'GNU tar, global header': 'tar --format=posix --pax-option=globexthdr.name=g,comment=words,mtime:=1500000000 -cf out.tar t',
  'GNU tar, joined': 'tar -cf out.tar t/sub && tar -cf b.tar t/plain && tar -Af out.tar b.tar',
  'GNU tar, one block a record': 'tar -b1 -cf out.tar t',
  'bsdtar, its default': 'bsdtar -cf out.tar t',
  'bsdtar, pax': 'bsdtar --format=pax -cf out.tar t',
  'bsdtar, ustar': 'bsdtar --format=ustar --exclude="long*" -cf out.tar t',
  'bsdtar, gnutar': 'bsdtar --format=gnutar -cf out.tar t',
  'bsdtar, v7tar': 'bsdtar --format=v7tar --exclude="long*" -cf out.tar t',
  busybox: 'busybox tar -cf out.tar t',
  'pax, ustar': 'rm -rf t/long*; pax -w -x ustar -f out.tar t',
  'pax, tar': 'rm -rf t/long*; pax -w -x tar -f out.tar t',
  'cpio, ustar': 'rm -rf t/long*; find t | cpio -o -H ustar > out.tar',
  'cpio, tar': 'rm -rf t/long*; find t | cpio -o -H tar > out.tar',
  'Python, gnu': `python3 -c "import tarfile; t=tarfile.open('out.tar','w',format=tarfile.GNU_FORMAT); t.add('t'); t.close()"`,
  'Python, pax': `python3 -c "import tarfile; t=tarfile.open('out.tar','w',format=tarfile.PAX_FORMAT); t.add('t'); t.close()"`,
  '7z': '7z a -ttar -snl -snh out.tar t',
}

function makeFolder(root: string): void {
  mkdirSync(join(root, 't/sub/empty'), { recursive: true })
  writeFileSync(join(root, 't/plain'), seededNoise(1, 5000))
  writeFileSync(join(root, 't/sub/run.sh'), '#!/bin/sh\n')
  chmodSync(join(root, 't/sub/run.sh'), 0o755)
  writeFileSync(join(root, 't', 'long'.repeat(40)), 'long')
  writeFileSync(Buffer.concat([Buffer.from(join(root, 't/caf')), Buffer.of(0xe9)]), 'latin1')
  writeFileSync(join(root, 't/süß'), 'utf8')
  symlinkSync('plain', join(root, 't/link'))
  linkSync(join(root, 't/plain'), join(root, 't/sub/same'))
  const fd = openSync(join(root, 't/sparse'), 'w')
  for (let i = 0; i < 12; i++) writeSync(fd, Buffer.alloc(4096, 65 + i), 0, 4096, i * 131_072)
  ftruncateSync(fd, 3_000_000)
  closeSync(fd)
  utimesSync(join(root, 't/plain'), 1_600_000_000, 1_600_000_000.5)
  utimesSync(join(root, 't/sub/empty'), 1, 1_500_000_000)
  chmodSync(join(root, 't/sub/empty'), 0o700)
}

test('archives of other programs are extracted as GNU tar and Python extract them', () =>
  withFolder(async folder => {
    const names = Object.keys(COMMANDS)
    for (const [i, name] of names.entries()) {
      const made = join(folder, 'made', String(i))
      makeFolder(made)
      shell(made, `(${COMMANDS[name]}) > said 2>&1`)
      renameSync(join(made, 'out.tar'), join(folder, `${i}.tar`))
      mkdirSync(join(folder, 'ours', String(i)), { recursive: true })
      const { warnings, notes, result } = await extractTo(join(folder, 'ours', String(i)), join(folder, `${i}.tar`))
      expect([...warnings, ...notes], name).toEqual([])
      expect(result.isComplete, name).toBe(true)
    }
    for (const [i, { ours, gnu, python, said, pythonSaid }] of truths(folder, names.length).entries()) {
      const name = names[i]!
      expect(ours, `${name}: ${said}`).toEqual(gnu)
      // Python takes a folder of a dump and a label for files
      if (!/incremental$|label$/.test(name)) expect(Object.keys(ours), `${name}: ${pythonSaid}`).toEqual(Object.keys(python))
      expect(Object.keys(ours).length, name).toBeGreaterThan(5)
    }
  }))
