/** A format that is not read here. */
export interface OtherFormat {
  /** With its article. */
  name: string
  /** A command that reads it. */
  tool: string
}

/** Each: name, command, offset, and what is there. */
const MAGICS: readonly (readonly [name: string, tool: string, at: number, magic: string])[] = [
  ['a bzip2 archive', 'tar xf FILE, or bunzip2 FILE', 0, 'BZh'],
  ['an lz4 archive', 'lz4 -d FILE', 0, '\x04\x22\x4d\x18'],
  ['an lz4 archive', 'lz4 -d FILE', 0, '\x02\x21\x4c\x18'],
  ['an lzip archive', 'lzip -d FILE', 0, 'LZIP'],
  ['an lzma archive', 'unlzma FILE', 0, '\x5d\0\0'],
  ['an archive of compress (.Z)', 'tar xf FILE, or uncompress FILE', 0, '\x1f\x9d'],
  ['an lzop archive', 'lzop -d FILE', 0, '\x89LZO\0'],
  ['an archive of pack (.z)', 'gunzip FILE', 0, '\x1f\x1e'],
  ['a 7z archive', '7z x FILE', 0, "7z\xbc\xaf'\x1c"],
  ['a RAR archive', 'unrar x FILE', 0, 'Rar!\x1a\x07'],
  ['a cpio archive', 'cpio -idm < FILE', 0, '070701'],
  ['a cpio archive', 'cpio -idm < FILE', 0, '070702'],
  ['a cpio archive', 'cpio -idm < FILE', 0, '070707'],
  ['a cpio archive', 'cpio -idm < FILE', 0, '\xc7\x71'],
  ['a cpio archive', 'cpio -idm < FILE', 0, '\x71\xc7'],
  ['a Debian package', 'dpkg-deb -x FILE FOLDER', 0, '!<arch>\ndebian-binary'],
  ['an ar archive', 'ar x FILE', 0, '!<arch>\n'],
  ['an RPM package', 'rpm2cpio FILE | cpio -idm', 0, '\xed\xab\xee\xdb'],
  ['a cabinet archive', 'cabextract FILE', 0, 'MSCF'],
  ['an ISO image', '7z x FILE', 32_769, 'CD001'],
  ['a xar archive', 'xar -xf FILE', 0, 'xar!'],
  ['a squashfs image', 'unsquashfs FILE', 0, 'hsqs'],
  ['a squashfs image', 'unsquashfs FILE', 0, 'sqsh'],
  ['a Windows image (WIM)', '7z x FILE', 0, 'MSWIM\0'],
  ['an ARJ archive', '7z x FILE', 0, '\x60\xea'],
  ['an LHA archive', '7z x FILE', 2, '-lh'],
  ['an archive of zoo', '7z x FILE', 20, '\xdc\xa7\xc4\xfd'],
  ['an archive of zpaq', 'zpaq x FILE', 0, '7kSt\xa0\x31\x83\xd3'],
  ['an archive of zpaq', 'zpaq x FILE', 0, 'zPQ'],
  ['a file in snappy', 'snzip -d FILE', 0, '\xff\x06\0\0sNaPpY'],
  ['an archive of lrzip', 'lrzip -d FILE', 0, 'LRZI'],
  ['an archive of rzip', 'rzip -d FILE', 0, 'RZIP'],
  ['an archive of Apple (aar)', 'aa extract -i FILE', 0, 'AA01'],
  ['an extension of Chrome', '7z x FILE', 0, 'Cr24'],
  ['an installer of Windows (MSI), or an old Office document', '7z x FILE', 0, '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'],
  ['a disk image (qcow2)', '7z x FILE', 0, 'QFI\xfb'],
  ['a file system (ext2, ext3 or ext4)', '7z x FILE', 0x438, '\x53\xef'],
  ['a zstd dictionary', 'zstd -D FILE -d ARCHIVE', 0, '\x37\xa4\x30\xec'],
  ['a part of a split zip archive', 'zip -s 0 NAME.zip --out whole.zip', 0, 'PK\x07\x08'],
]

/** Formats without a magic number at their beginning. */
const ENDINGS: readonly (readonly [ending: RegExp, name: string, tool: string])[] = [
  [/\.dmg$/i, 'a disk image of macOS', '7z x FILE'],
  [/\.(br|tbr)$/i, 'a brotli archive', 'brotli -d FILE'],
  [/\.lzma$/i, 'an lzma archive', 'unlzma FILE'],
  [/\.z\d\d$/i, 'a part of a split zip archive', 'zip -s 0 NAME.zip --out whole.zip'],
  [/\.7z\.\d{3}$/i, 'a part of a split 7z archive', '7z x NAME.7z.001'],
  [/\.(r\d\d|part\d+\.rar)$/i, 'a part of a split RAR archive', 'unrar x NAME.part1.rar'],
]

/** What programs begin with, that unpack an archive behind their own code. */
const PROGRAMS = ['MZ', '\x7fELF', '#!']
const IN_PROGRAMS: readonly (readonly [magic: string, name: string, tool: string])[] = [
  ['Rar!\x1a\x07', 'a program with a RAR archive', 'unrar x FILE'],
  ["7z\xbc\xaf'\x1c", 'a program with a 7z archive', '7z x FILE'],
  ['MSCF\0\0\0\0', 'a program with a cabinet archive', '7z x FILE'],
]

/** One of several files that hold one archive, by the names that programs give them. */
const PART = /\.(\d{2,3}|z\d\d|part\d+(\.\w+)?|(tar|tgz|gz|zst|zip|7z|rar)[._-]?(part)?[._-]?((?!gz|xz|bz|lz|br|zz)[a-z]{2}|\d+))$/i

/** What to do with a file that may be one part of several; undefined if its name does not say so. */
export function partHint(name: string): string | undefined {
  return PART.test(name) ? 'If it is one part of several, join them first: cat PART1 PART2 ... > WHOLE.' : undefined
}

/** Names what is not read here, by its first bytes or, where these don't tell, by the name of the file. */
export function otherFormat(head: Uint8Array, name: string): OtherFormat | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const begins = (magic: string, at = 0): boolean => bytes.toString('latin1', at, at + magic.length) === magic
  const byName = ENDINGS.find(([ending]) => ending.test(name))
  const isPart = byName?.[1].startsWith('a part') === true
  const byMagic = isPart ? undefined : MAGICS.find(([, , at, magic]) => begins(magic, at))
  if (byMagic !== undefined) return { name: byMagic[0], tool: byMagic[1] }
  if (byName !== undefined) return { name: byName[1], tool: byName[2] }
  const inside = PROGRAMS.some(magic => begins(magic)) ? IN_PROGRAMS.find(([magic]) => bytes.includes(magic, 0, 'latin1')) : undefined
  if (inside !== undefined) return { name: inside[1], tool: inside[2] }
  return partHint(name) === undefined
    ? undefined
    : { name: 'not the beginning of an archive, but perhaps one part of several', tool: 'cat PART1 PART2 ... > WHOLE' }
}
