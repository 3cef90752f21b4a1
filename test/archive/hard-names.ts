import { seededNoise } from '../helpers/seeded.ts'
import { makeTree, type TreePicture } from '../helpers/trees.ts'
import { shell } from './archives.ts'

/**
 * Names that some program has trouble with: bytes that are not UTF-8, alone and beside some that are, Shift-JIS (whose
 * second byte may be a backslash), long ones, drive letters, and pairs that are one after any clumsy replacement.
 */
export function makeHardNames(root: string): void {
  const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`
  const longBytes = `${'d\xe9'.repeat(60)}/${'f\xff'.repeat(100)}`
  makeTree(root, {
    'a\\b': '1',
    'a%5Cb': '2',
    'x:y': '3',
    [long]: '4',
    'line\nbreak': '5',
    'caf\xc3\xa9': '6',
    'bad\xff': '7',
    'bad%FF': '8',
    'bad\xfe': '9',
    back: { link: 'a\\b' },
    [longBytes]: '10',
    [`${'d\xe9'.repeat(60)}/large`]: seededNoise(1, 300_000),
    'old\xe9': '11',
    'c\xff/\x95\\': '12',
    'c\xff/\xc3\xa9': '13',
    'c%FF': '14',
    '\xff\\\xc3\xa9': '15',
    'empty\xff': { folder: true },
  })
  // 100 bytes fill the field of a header, 101 do not fit
  const [full, more] = [95, 96].map(count => 'n'.repeat(count - 1))
  shell(root, `printf 16 > "$(printf '${full}\\377')"; printf 17 > "$(printf '${more}\\377')"`)
  shell(root, `ln -s "$(printf 'a\\377')" link; ln -s "$(printf '${'e\\377'.repeat(70)}')" long-link; ln -s e "$(printf 'k\\377')"`)
  shell(root, `ln "$(printf 'bad\\377')" z; ln "$(printf 'bad\\377')" "$(printf 'bad\\375')"; ln ${long} y`)
  shell(root, `ln "$(printf '${'d\\351'.repeat(60)}/${'f\\377'.repeat(100)}')" w`)
  shell(root, 'find . -exec touch -h -d @1700000000 {} +')
  shell(root, `touch -d @-5 "$(printf 'old\\351')"`)
}

/** As a program without the flag of UTF-8 reads a zip: Python takes all bytes for code page 437. */
export const UNZIP_PYTHON = `
import os, stat, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    for info in z.infolist():
        path = info.filename.encode('utf-8' if info.flag_bits & 0x800 else 'cp437')
        mode = info.external_attr >> 16
        if info.is_dir(): os.makedirs(path, exist_ok=True)
        elif stat.S_ISLNK(mode): os.symlink(z.read(info), path)
        else:
            with open(path, 'wb') as f: f.write(z.read(info))
`

/** What a zip keeps of a tree, whoever reads it. */
export function pathsAndContents(picture: TreePicture): TreePicture {
  return new Map([...picture].map(([path, line]) => [path, line.replace(/ mode=\S+ mtime=\S+/, '')]))
}
