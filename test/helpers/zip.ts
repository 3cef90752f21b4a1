import { crc32, deflateRawSync } from 'node:zlib'

/** An entry, with whatever fields it is given. What is not given is as an ordinary zip has it. */
export interface ZipPart {
  name: string | Buffer
  content?: Buffer | string
  method?: number
  /** What is stored instead of the content compressed by `method`, which may be 0 or 8. */
  stored?: Buffer
  host?: number
  version?: number
  flags?: number
  attributes?: number
  /** DOS date and time. */
  date?: number
  time?: number
  crc?: number
  /** In the directory. */
  length?: number
  storedLength?: number
  headerAt?: number
  extra?: Buffer
  localExtra?: Buffer
  localName?: string | Buffer
  /** Sizes and checksum follow the content: with or without a signature. */
  descriptor?: 'signed' | 'plain'
  /** Sizes and offset are in a ZIP64 extra field. */
  wide?: boolean
  /** Bytes between this entry and the next one. */
  gap?: Buffer
}

export interface ZipForm {
  /** Stands before the archive; `shift`: offsets count from the start of the file. */
  prefix?: Buffer
  shift?: boolean
  suffix?: Buffer
  comment?: Buffer
  count?: number
  /** Of the directory, as stated. */
  length?: number
  offset?: number
  part?: number
  /** ZIP64 end records. */
  wide?: boolean
  /** The order of the directory, by number of entry. */
  order?: readonly number[]
  /** Between the directory and its end record. */
  between?: Buffer
}

export const UNIX_FILE = 0o100644 * 2 ** 16
export const UNIX_FOLDER = 0o40755 * 2 ** 16 + 0x10
export const UNIX_LINK = 0o120777 * 2 ** 16

/** A zip, byte by byte (APPNOTE 6.3.10). */
export function zipOf(parts: readonly ZipPart[], form: ZipForm = {}): Buffer {
  const { prefix = EMPTY, comment = EMPTY, wide = false, between = EMPTY } = form
  const base = form.shift === true ? prefix.length : 0
  let position = base
  const entries: Buffer[] = []
  const records = parts.map(part => {
    const { entry, record } = partOf(part, position)
    entries.push(entry)
    position += entry.length
    return record
  })
  const directory = Buffer.concat((form.order ?? records.map((_, i) => i)).map(at => records[at]!))
  const count = form.count ?? records.length
  const [length, offset] = [form.length ?? directory.length, form.offset ?? position]
  const endAt = position + directory.length + between.length
  const end64 = numbers([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, length], [8, offset])
  const locator = numbers([4, 0x07064b50], [4, 0], [8, endAt], [4, 1])
  const low = (value: number, bytes: 2 | 4): number => (wide ? 2 ** (8 * bytes) - 1 : value % 2 ** (8 * bytes))
  const end = numbers(
    [4, 0x06054b50],
    [2, form.part ?? 0],
    [2, form.part ?? 0],
    [2, low(count, 2)],
    [2, low(count, 2)],
    [4, low(length, 4)],
    [4, low(offset, 4)],
    [2, comment.length],
  )
  const ends = wide ? [end64, locator, end] : [end]
  return Buffer.concat([prefix, ...entries, directory, between, ...ends, comment, form.suffix ?? EMPTY])
}

function partOf(part: ZipPart, position: number): { entry: Buffer; record: Buffer } {
  const { method = 8, host = 3, version = 20, date = 0x5821, time = 0, extra = EMPTY, localExtra = extra, descriptor, wide = false } = part
  const name = Buffer.from(part.name as string)
  const content = Buffer.from((part.content ?? '') as string)
  const stored = part.stored ?? (method === 8 ? deflateRawSync(content) : content)
  const crc = part.crc ?? crc32(content)
  const [length, storedLength, headerAt] = [part.length ?? content.length, part.storedLength ?? stored.length, part.headerAt ?? position]
  const flags = (part.flags ?? 0) | (descriptor === undefined ? 0 : 8)
  const attributes = part.attributes ?? (host === 3 ? UNIX_FILE : 0x20)
  const low = (value: number): number => (wide ? 0xffffffff : value % 2 ** 32)
  const fields = extraOf(1, numbers([8, length], [8, storedLength], [8, headerAt]))
  const wideExtra = wide ? Buffer.concat([fields, extra]) : extra
  const localName = Buffer.from((part.localName ?? name) as string)
  const sums: [number, number][] = [[4, crc], [4, stored.length], [4, content.length]] // prettier-ignore
  const local = numbers(
    [4, 0x04034b50],
    [2, 20],
    [2, flags],
    [2, method],
    [2, time],
    [2, date],
    ...(descriptor === undefined ? sums : sums.map(([bytes]): [number, number] => [bytes, 0])),
    [2, localName.length],
    [2, localExtra.length],
  )
  const trailer =
    descriptor === undefined ? EMPTY : numbers(...(descriptor === 'signed' ? [[4, 0x08074b50] as [number, number]] : []), ...sums)
  const record = numbers(
    [4, 0x02014b50],
    [1, version],
    [1, host],
    [2, 20],
    [2, flags],
    [2, method],
    [2, time],
    [2, date],
    [4, crc],
    [4, low(storedLength)],
    [4, low(length)],
    [2, name.length],
    [2, wideExtra.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, attributes],
    [4, low(headerAt)],
  )
  return {
    entry: Buffer.concat([local, localName, localExtra, stored, trailer, part.gap ?? EMPTY]),
    record: Buffer.concat([record, name, wideExtra]),
  }
}

/** An extra field. */
export function extraOf(id: number, data: Buffer): Buffer {
  return Buffer.concat([numbers([2, id], [2, data.length]), data])
}

/** Numbers of so many bytes each, the lowest byte first. */
export function numbers(...fields: readonly [bytes: number, value: number][]): Buffer {
  const out = Buffer.alloc(fields.reduce((sum, [bytes]) => sum + bytes, 0))
  let at = 0
  for (const [bytes, value] of fields) {
    for (let i = 0; i < bytes; i++) out[at++] = Math.floor(value / 2 ** (8 * i)) % 256
  }
  return out
}

const EMPTY = Buffer.alloc(0)
