import { describe, expect, test } from 'vitest'
import { StoresFile } from '../../src/commands/shared/stores-file.ts'

const WRITTEN = `# my stores
default = "drive:" # the account of the lab

[stores] # named
usb = '/media/usb/repo'
"nas.old"="drive:id=1aB2c3D4e5F6/x"   # slow

# what is done where
[folders]
"/home/me/a = b" = "usb"
`

const parse = (text: string): StoresFile => new StoresFile('stores.toml', text)
const textOf = (file: StoresFile): string => (file as unknown as { lines: string[] }).lines.join('')

test('the file that a person has written is read', () => {
  const found = parse(WRITTEN).settings.map(({ section, key, value, line }) => [section, key, value, line])
  expect(found).toEqual([
    ['default', 'default', 'drive:', 2],
    ['stores', 'usb', '/media/usb/repo', 5],
    ['stores', 'nas.old', 'drive:id=1aB2c3D4e5F6/x', 6],
    ['folders', '/home/me/a = b', 'usb', 10],
  ])
})

describe('a change keeps all other lines as they were, with comments and line ends', () => {
  test.each([
    ['another value', 'stores', 'usb', '/mnt/x', [["usb = '/media/usb/repo'", 'usb = "/mnt/x"']]],
    ['a value with a comment', 'default', 'default', 'usb', [['default = "drive:" #', 'default = "usb" #']]],
    ['another name', 'stores', 'lab', 'drive:Lab', [['# slow\n', '# slow\nlab = "drive:Lab"\n']]],
    ['another folder', 'folders', '/x', 'usb', [['= "usb"\n', '= "usb"\n"/x" = "usb"\n']]],
    ['a name of Windows', 'stores', 'd', 'D:\\data\\repo', [['# slow\n', "# slow\nd = 'D:\\data\\repo'\n"]]],
    ['a value less', 'stores', 'usb', undefined, [["usb = '/media/usb/repo'\n", '']]],
  ] as const)('%s', (_, section, key, value, changes) => {
    for (const text of [WRITTEN, WRITTEN.replaceAll('\n', '\r\n')]) {
      const changed = parse(text).with(section, key, value)
      const expected = changes.reduce((all, [from, to]) => all.replace(from, to), WRITTEN)
      expect(textOf(changed).replaceAll('\r\n', '\n')).toBe(expected)
      expect(parse(textOf(changed)).find(section, key)?.value).toBe(value)
    }
  })

  test('what is there no longer is put back with a heading, at the end of a line that had none', () => {
    const file = parse('# mine').with('folders', '/a', 'drive:').with('default', 'default', 'drive:X').with('stores', 'é', '/b')
    expect(textOf(file)).toBe('# mine\ndefault = "drive:X"\n\n[folders]\n"/a" = "drive:"\n\n[stores]\n"é" = "/b"\n')
    const without = file.with('folders', '/a', undefined).with('default', 'default', undefined).with('stores', 'é', undefined)
    expect(textOf(without)).toBe('# mine\n\n[folders]\n\n[stores]\n')
    expect(textOf(without.with('default', 'default', 'x').with('folders', '/b', 'x'))).toBe(
      '# mine\ndefault = "x"\n\n[folders]\n"/b" = "x"\n\n[stores]\n',
    )
  })
})

test.each([
  ['usb = /media/usb', 1],
  ['usb = "/media/usb"', 1],
  ['default = ""', 1],
  ['default = "a" "b"', 1],
  ['\n[stores]\nusb = "\\x"', 3],
  ['[stores]\n"drive:" = "/a"', 2],
  ['[stores]\n"a/b" = "/a"', 2],
  ['[folders]\n"sub" = "/a"', 2],
  ['[other]', 1],
  ['[stores', 1],
])('a line that means nothing is an error that says which: %j', (text, line) => {
  expect(() => parse(text)).toThrow(`Line ${line} of stores.toml can't be read.`)
})

test('a setting that stands there twice is refused, because nobody knows which one counts', () => {
  expect(() => parse('[stores]\na = "/a"\n"a" = "/b"\n')).toThrow('stores.toml sets "a" twice, the second time in line 3.')
})
