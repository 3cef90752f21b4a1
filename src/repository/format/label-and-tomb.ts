import { corrupt, newerFormat } from '../../util/errors.ts'
import { isHashHex, sha256Hex } from '../../util/hash.ts'
import { Fields, parseJson } from '../../util/json-fields.ts'
import { FORMAT } from './limits.ts'

/** What a label changes. It first removes tags, then adds tags. */
export interface LabelChanges {
  add: string[]
  remove: string[]
  /** The message from now on; an empty one removes it. Undefined: it stays. */
  message?: string | undefined
  /** Metrics that get another value; null removes one. The others stay. */
  metrics?: Record<string, number | null> | undefined
}

/**
 * A change to the tags, the message or the metrics of a snapshot after its push. Labels are applied in the order of
 * their times.
 */
export interface Label extends LabelChanges {
  /** Id of the snapshot, 64 hex digits. */
  snapshot: string
  /** When it was made by the store's clock, ms since 1970. Undefined in a label of an older program. */
  time?: number | undefined
  /**
   * The text of the snapshot's object, if the label adds tags. A machine whose listing does not show the label yet may
   * forget the version; the next prune then puts it back.
   */
  version?: string | undefined
}

/** A version that can be brought back as long as its data is there. */
export interface ForgottenVersion {
  /** The text of the snapshot's object. */
  version: string
  /** What its labels had changed. */
  label: LabelChanges
}

/** The versions that one forget has deleted, or a part of them. `time`: of that forget by the store's clock, ms. */
interface Forgotten {
  time: number
  versions: ForgottenVersion[]
}

/** Packs to be deleted; or, in a marker, tombs whose packs are all gone. Rules 6 to 10 of docs/format.md. */
export type Tomb = { kind: 'packs'; packs: string[]; forgotten?: Forgotten | undefined } | { kind: 'marker'; spent: string[] }

/** The last ms since 1970 that a date can have. */
export const MAX_LABEL_TIME = 8.64e15
const MAX_BYTES = 16 * 1024 * 1024

/** The nonce makes the id of each object new, so that no name is ever made twice. */
function encode(content: object, nonce: string): { id: string; bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, ...content, nonce }, undefined, 1)}\n`)
  return { id: sha256Hex(bytes), bytes }
}

function decode(bytes: Uint8Array, id: string, what: string): Fields {
  if (bytes.length > MAX_BYTES) throw corrupt(what, 'it is too large')
  if (sha256Hex(bytes) !== id) throw corrupt(what, 'its content does not match the checksum in its name')
  const fields = new Fields(parseJson(bytes, what), what)
  if (fields.integer('format') > FORMAT) throw newerFormat(what)
  return fields
}

const tag = (value: unknown): string | undefined => (typeof value === 'string' && value.length <= 1024 ? value : undefined)
const id64 = (value: unknown): string | undefined => (isHashHex(value) ? value : undefined)

export const encodeLabel = (label: Label, nonce: string): { id: string; bytes: Uint8Array } => encode(label, nonce)

export function encodeTomb(tomb: Tomb, nonce: string): { id: string; bytes: Uint8Array } {
  return encode(tomb.kind === 'packs' ? { packs: tomb.packs, forgotten: tomb.forgotten } : { spent: tomb.spent }, nonce)
}

/** Time and memory: linear in the length of `bytes`. */
export function decodeLabel(bytes: Uint8Array, id: string): Label {
  const fields = decode(bytes, id, `Label ${id.slice(0, 12)}`)
  const snapshot = fields.string('snapshot')
  if (!isHashHex(snapshot)) return fields.fail('snapshot', 'is not an id')
  const time = fields.has('time') ? fields.integer('time', MAX_LABEL_TIME) : undefined
  const version = fields.has('version') ? fields.string('version', MAX_BYTES) : undefined
  if (version !== undefined && sha256Hex(Buffer.from(version)) !== snapshot) return fields.fail('version', 'is not the snapshot')
  return { snapshot, ...readChanges(fields), time, version }
}

function readChanges(fields: Fields): LabelChanges {
  const message = fields.optionalString('message')
  const metrics = fields.has('metrics') ? fields.fields('metrics').record : undefined
  if (metrics && !Object.values(metrics).every(value => value === null || Number.isFinite(value)))
    return fields.fail('metrics', 'has a value that is not a finite number')
  return {
    add: fields.list('add', tag),
    remove: fields.list('remove', tag),
    ...(message === undefined ? {} : { message }),
    ...(metrics === undefined ? {} : { metrics: metrics as Record<string, number | null> }),
  }
}

/** Time and memory: linear in the length of `bytes`. */
export function decodeTomb(bytes: Uint8Array, id: string): Tomb {
  const fields = decode(bytes, id, `Tomb ${id.slice(0, 12)}`)
  if (fields.has('spent')) return { kind: 'marker', spent: fields.list('spent', id64) }
  const packs = fields.list('packs', id64)
  return fields.has('forgotten') ? { kind: 'packs', packs, forgotten: readForgotten(fields.fields('forgotten')) } : { kind: 'packs', packs }
}

function readForgotten(forgotten: Fields): Forgotten {
  const versions = forgotten.list('versions', value => {
    const version = new Fields(value, forgotten.subject)
    return { version: version.string('version', MAX_BYTES), label: readChanges(version.fields('label')) }
  })
  return { time: forgotten.integer('time', MAX_LABEL_TIME), versions }
}
