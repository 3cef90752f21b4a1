import type { Notation } from './pickle-text.ts'
import { MAX_NAME_LENGTH } from './span.ts'

/** A class or function that a pickle names. It is never imported. */
export interface PickleGlobal {
  module: string
  name: string
}

/** Stands for a function that is no class or function by name. */
export const NAMELESS: PickleGlobal = { module: '', name: '' }

/**
 * A dict, list, tuple, set or persistent reference, or the result of a call. The result of a call holds its arguments,
 * then its state.
 */
export interface PickleNode {
  values: PickleValue[]
  /** For a dict: the key of each value. */
  keys?: PickleValue[]
  /** For the result of a call: the called function; `NAMELESS` if the pickle does not name it. */
  made?: PickleGlobal
  persistent?: true
}

/** Bytes of the file that a pickle was read from; a long text is told so too. */
export interface PickleBytes {
  at: number
  length: number
  /** How they are noted, if it is a line of an old protocol. A long text of a newer one is UTF-8. */
  notation?: Notation
}

/** Undefined for None, and for what is not kept. */
export type PickleValue = string | number | boolean | PickleGlobal | PickleNode | PickleBytes | undefined

export function isNode(value: PickleValue): value is PickleNode {
  return typeof value === 'object' && 'values' in value
}

export function isGlobal(value: PickleValue): value is PickleGlobal {
  return typeof value === 'object' && 'module' in value
}

export function isBytes(value: PickleValue): value is PickleBytes {
  return typeof value === 'object' && 'at' in value
}

/** The key of a value in its container: that of a dict, the number in a list or tuple. */
export function keyOf({ keys, made }: PickleNode, at: number): PickleValue {
  return keys?.[at] ?? (made === undefined ? at : undefined)
}

/** A dot-joined path. A key is left out if it is no text or number, or if the name would become too long. */
export function joined(path: string, key: PickleValue): string {
  if (typeof key !== 'string' && typeof key !== 'number') return path
  const longer = path === '' ? String(key) : `${path}.${key}`
  return longer.length > MAX_NAME_LENGTH ? path : longer
}

/** The class or function that makes an object; protocols 0 and 1 make it by a call that names its class. */
export function makerOf({ made, values }: PickleNode): PickleGlobal | undefined {
  if (nameIn(['copy_reg', 'copyreg'], made) !== '_reconstructor') return made
  return values[0] !== undefined && isGlobal(values[0]) ? values[0] : made
}

/** The name of a class or function of one of these modules; undefined for anything else. */
export function nameIn(modules: readonly string[], value: PickleValue): string | undefined {
  return isGlobal(value) && modules.includes(value.module) ? value.name : undefined
}
