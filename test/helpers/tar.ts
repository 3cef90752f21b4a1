interface TarEntry {
  name: string
  type?: string
  content?: string | Uint8Array
  /** If not the length of the content. */
  size?: number
  /** Bytes of the header to set, by their offset. */
  set?: Record<number, number>
}

/** A tar header and its content, padded, byte by byte as the entry says. */
export function tarEntry({ name, type = '0', content = '', size, set = {} }: TarEntry): Buffer {
  const data = Buffer.from(content)
  const header = Buffer.alloc(512)
  header.write(name, 0, 100, 'latin1')
  header.write('0000644\0' + '0000000\0'.repeat(2), 100)
  header.write(`${(size ?? data.length).toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        ${type}`, 124, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  for (const [at, value] of Object.entries(set)) header[Number(at)] = value
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
}

/** A whole archive, with its end mark. */
export function tarOf(...entries: Uint8Array[]): Buffer {
  return Buffer.concat([...entries, Buffer.alloc(1024)])
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
export function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')])
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length++
  return Buffer.concat([Buffer.from(String(length)), rest])
}
