import { numbers, extraOf, UNIX_FILE, UNIX_FOLDER, UNIX_LINK, type ZipForm, type ZipPart } from '../helpers/zip.ts'

/** A zip that a program may have made, with one to three things that few programs do. */
export function oddZip(random: () => number): { parts: ZipPart[]; form: ZipForm; odd: string[] } {
  const below = (most: number): number => Math.floor(random() * most)
  const oneOf = <T>(items: readonly T[]): T => items[below(items.length)]!
  const text = (): string => oneOf(['some text, ', 'more ', '\n', 'a']).repeat(below(oneOf([3, 40, 4000])))
  const host = oneOf([0, 3, 3, 11])
  const isUnix = host === 3
  const parts = Array.from({ length: 1 + below(5) }, (_, i): ZipPart => {
    const name = `${oneOf(['', 'd/', 'd/e/', 'u/'])}${oneOf(['f', 'g.txt', 'u.bin', 'a b'])}${i}`
    const common = { host, method: oneOf([0, 8]), flags: 0x800, date: 0x5821 + below(20) }
    if (below(6) === 0) return { ...common, name: `${name}/`, method: 0, attributes: isUnix ? UNIX_FOLDER : 0x10 }
    if (isUnix && below(6) === 0) return { ...common, name, method: 0, content: oneOf(['f0', '../x', 'd/e']), attributes: UNIX_LINK }
    return { ...common, name, content: text(), attributes: isUnix ? UNIX_FILE : 0x20 }
  })
  const form: ZipForm = {}
  const one = (): ZipPart => oneOf(parts)
  const file = (): ZipPart => parts.find(({ name, attributes }) => !String(name).endsWith('/') && attributes !== UNIX_LINK) ?? one()
  const junk = (most: number): Buffer => Buffer.from(Array.from({ length: below(most) }, () => below(256)))
  const CHANGES: Record<string, () => void> = {
    prefix: () => Object.assign(form, { prefix: junk(5000) }),
    shifted: () => Object.assign(form, { prefix: junk(5000), shift: true }),
    suffix: () => Object.assign(form, { suffix: oneOf([Buffer.alloc(1 + below(9000)), junk(5000)]) }),
    comment: () => Object.assign(form, { comment: junk(oneOf([20, 60_000])) }),
    count: () => Object.assign(form, { count: below(parts.length + 1) }),
    wide: () => Object.assign(form, { wide: true }),
    order: () => Object.assign(form, { order: parts.map((_, i) => i).reverse() }),
    between: () => Object.assign(form, { between: Buffer.concat([numbers([4, 0x05054b50], [2, 5]), Buffer.from('signs')]) }),
    'wide entry': () => Object.assign(one(), { wide: true }),
    descriptor: () => Object.assign(file(), { descriptor: 'signed' }),
    'plain descriptor': () => Object.assign(file(), { descriptor: 'plain' }),
    gap: () => Object.assign(one(), { gap: junk(300) }),
    extra: () => Object.assign(one(), { extra: extraOf(oneOf([0xcafe, 0x5455, 0x7875, 0x000a, 0x5855]), junk(30)) }),
    'local extra': () => Object.assign(one(), { localExtra: extraOf(0xcafe, junk(30)) }),
    'long extra': () => Object.assign(one(), { extra: numbers([2, 0xcafe], [2, 500], [4, 7]) }),
    'odd folder': () =>
      Object.assign(one(), { name: 'odd/', content: 'x', method: 0, stored: Buffer.alloc(0), crc: 0, length: 68, storedLength: 0 }),
    'DOS folder': () => parts.push({ name: 'dos', host: 0, method: 0, attributes: 0x10 }),
    backslash: () => Object.assign(one(), { name: 'back\\slash\\f', host: 0, attributes: 0x20 }),
    'unix backslash': () => Object.assign(file(), { name: 'back\\slash', host: 3, attributes: UNIX_FILE }),
    'same name': () => parts.push({ ...file(), content: 'later' }),
    encrypted: () =>
      parts.push({ name: 'encrypted', content: 'x', flags: 1, method: 8, stored: Buffer.concat([junk(100), Buffer.alloc(12)]) }),
    method: () => parts.push({ name: 'unread', method: oneOf([1, 6, 10, 97]), content: 'x', stored: Buffer.from('whatever') }),
    checksum: () => Object.assign(file(), { crc: 12345 }),
    'no header': () => Object.assign(file(), { headerAt: 1 }),
    'unix on DOS': () => Object.assign(file(), { host: 0, attributes: UNIX_FILE + 0x20 }),
    'no mode': () => Object.assign(one(), { host: 3, attributes: 0 }),
    'trailing bytes': () => {
      const part = file()
      if (part.method === 8) part.gap = junk(50)
    },
  }
  const odd = Array.from({ length: 1 + below(3) }, () => oneOf(Object.keys(CHANGES)))
  for (const change of odd) CHANGES[change]!()
  return { parts, form, odd }
}
