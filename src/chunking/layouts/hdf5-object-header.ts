import { refuse, refuseKind } from './span.ts'
import type { Hdf5File } from './hdf5-file.ts'

/** Types of messages. */
export const DATASPACE = 0x01
export const LINK_INFO = 0x02
export const DATATYPE = 0x03
export const FILL_VALUE = 0x05
export const LINK = 0x06
export const EXTERNAL_FILES = 0x07
export const LAYOUT = 0x08
export const FILTERS = 0x0b
export const ATTRIBUTE = 0x0c
const CONTINUATION = 0x10
export const SYMBOL_TABLE = 0x11

const FLAG_SHARED = 2
/** Of a header of version 2: the messages have numbers, the attributes have limits, there are times. */
const FLAG_NUMBERED = 4
const FLAG_LIMITS = 0x10
const FLAG_TIMES = 0x20
const CHECKSUM_BYTES = 4

export interface Message {
  type: number
  /** What it holds lies in another object. */
  isShared: boolean
  data: Uint8Array
  /** Offset of `data` in the file. */
  offset: number
}

/** How long a message's head is and how long the type in it; whether further blocks have signatures. */
interface MessageForm {
  head: number
  typeBytes: number
  signed: boolean
}

const FIRST_VERSION: MessageForm = { head: 8, typeBytes: 2, signed: false }
const SECOND_VERSION: MessageForm = { head: 4, typeBytes: 1, signed: true }
const NUMBERED: MessageForm = { ...SECOND_VERSION, head: 6 }

interface Block {
  address: number
  length: number
}

/** The messages of an object header of version 1 or 2, in file order. */
export async function readMessages(file: Hdf5File, address: number): Promise<Message[]> {
  const first = (await file.upTo(address, 1)).byte()
  return first === 1 ? readFirstVersion(file, address) : readSecondVersion(file, address)
}

/** One with this type. */
export function messageOf(messages: readonly Message[], type: number): Message | undefined {
  return messages.find(message => message.type === type)
}

async function readFirstVersion(file: Hdf5File, address: number): Promise<Message[]> {
  const length = (await file.at(address, 16)).skip(8).uint(4)
  return readBlocks(file, { address: address + 16, length }, FIRST_VERSION)
}

async function readSecondVersion(file: Hdf5File, address: number): Promise<Message[]> {
  const head = (await file.upTo(address, 64)).signature('OHDR')
  if (head.byte() !== 2) refuseKind('a header has another version')
  const flags = head.byte()
  if ((flags & FLAG_TIMES) !== 0) head.skip(16)
  if ((flags & FLAG_LIMITS) !== 0) head.skip(4)
  const length = head.uint(2 ** (flags & 3))
  return readBlocks(file, { address: address + head.position, length }, (flags & FLAG_NUMBERED) === 0 ? SECOND_VERSION : NUMBERED)
}

/** Messages of the first block and of those that continue it. Each block takes bytes of the file's allowance. */
async function readBlocks(file: Hdf5File, first: Block, { head, typeBytes, signed }: MessageForm): Promise<Message[]> {
  const messages: Message[] = []
  const blocks = [first]
  for (let block = blocks.shift(); block !== undefined; block = blocks.shift()) {
    const fields = await file.at(block.address, block.length)
    const isContinued = signed && block !== first
    if (isContinued) fields.signature('OCHK')
    const end = fields.end - (isContinued ? CHECKSUM_BYTES : 0)
    // fewer bytes than a message's head are a gap
    while (end - fields.position >= head) {
      const start = fields.position
      const [type, size, flags] = [fields.uint(typeBytes), fields.uint(2), fields.byte()]
      fields.skip(head - (fields.position - start))
      const offset = file.offsetOf(block.address) + fields.position
      const data = fields.take(size)
      if (type === CONTINUATION) {
        const next = fields.inside(data)
        blocks.push({ address: next.address() ?? refuse('a block lies nowhere'), length: next.length() })
      } else messages.push({ type, isShared: (flags & FLAG_SHARED) !== 0, data, offset })
    }
  }
  return messages
}
