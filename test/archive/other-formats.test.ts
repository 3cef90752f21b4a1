import { expect, test } from 'vitest'
import { unknownFormat } from '../../src/archive/content-format.ts'
import { partHint } from '../../src/archive/other-formats.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const iso = Buffer.alloc(40_000)
iso.write('CD001', 32_769)

test.each([
  ['a', latin1('BZh91AY'), 'a bzip2 archive', 'bunzip2 FILE'],
  ['a', latin1('\x04\x22\x4d\x18'), 'an lz4 archive', 'lz4 -d FILE'],
  ['a', latin1('LZIP\x01'), 'an lzip archive', 'lzip -d FILE'],
  ['a', latin1('\x5d\0\0\x80\0'), 'an lzma archive', 'unlzma FILE'],
  ['a', latin1('\x1f\x9d\x90'), 'an archive of compress (.Z)', 'uncompress FILE'],
  ['a', latin1("7z\xbc\xaf'\x1c\0\x04"), 'a 7z archive', '7z x FILE'],
  ['a', latin1('Rar!\x1a\x07\x01\0'), 'a RAR archive', 'unrar x FILE'],
  ['setup.exe', latin1(`MZ${'code'.repeat(50_000)}Rar!\x1a\x07\0`), 'a program with a RAR archive', 'unrar x FILE'],
  ['a', latin1('070701000'), 'a cpio archive', 'cpio -idm < FILE'],
  ['a', latin1('!<arch>\ndebian-binary   '), 'a Debian package', 'dpkg-deb -x FILE FOLDER'],
  ['a', latin1('!<arch>\nx.o/'), 'an ar archive', 'ar x FILE'],
  ['a', latin1('MSCF\0\0\0\0'), 'a cabinet archive', 'cabextract FILE'],
  ['a', iso, 'an ISO image', '7z x FILE'],
  ['a', latin1('ZOO 2.10 Archive.\x1a\0\0\xdc\xa7\xc4\xfd'), 'an archive of zoo', '7z x FILE'],
  ['a', latin1('7kSt\xa0\x31\x83\xd3\x8c'), 'an archive of zpaq', 'zpaq x FILE'],
  ['a', latin1('\xff\x06\0\0sNaPpY'), 'a file in snappy', 'snzip -d FILE'],
  ['a.tar.rz', latin1('RZIP\x02'), 'an archive of rzip', 'rzip -d FILE'],
  ['a.dmg', latin1('x\xda'), 'a disk image of macOS', '7z x FILE'],
  ['a.7z.001', latin1("7z\xbc\xaf'\x1c\0\x04"), 'a part of a split 7z archive', '7z x NAME.7z.001'],
  ['a.7z.002', latin1('anything'), 'a part of a split 7z archive', '7z x NAME.7z.001'],
  ['a.z01', latin1('PK\x07\x08PK\x03\x04'), 'a part of a split zip archive', 'zip -s 0'],
  ['a.tar.gz.ab', latin1('anything'), 'perhaps one part of several', 'cat PART1'],
])('%s %# is named, with a program that reads it', (name, head, expected, tool) => {
  const { code, message, hint } = unknownFormat(head, name)
  expect(code).toBe('unsupported')
  expect(message).toContain(expected)
  expect(hint).toContain(tool)
})

test('an ordinary name is not that of a part', () => {
  for (const name of ['a.tar.gz', 'a.tar.xz', 'a.tar.zz', 'a.tar.br', 'a.tgz', 'a.zip']) expect(partHint(name)).toBeUndefined()
  for (const name of ['a.tar.gz.aa', 'a.tar.aa', 'a.zip.001', 'a.tgz-ab', 'a.tar.gz.part2']) expect(partHint(name)).toContain('cat PART1')
})
