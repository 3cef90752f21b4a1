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

/** Undefined for anything but strings, numbers, names and containers. */
export type PickleValue = string | number | PickleGlobal | PickleNode | undefined

export function isNode(value: PickleValue): value is PickleNode {
  return typeof value === 'object' && 'values' in value
}

export function isGlobal(value: PickleValue): value is PickleGlobal {
  return typeof value === 'object' && 'module' in value
}

/** The name of a class or function of one of these modules; undefined for anything else. */
export function nameIn(modules: readonly string[], value: PickleValue): string | undefined {
  return isGlobal(value) && modules.includes(value.module) ? value.name : undefined
}
