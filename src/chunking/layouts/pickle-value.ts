/** A class or function that a pickle names. Nothing ever looks it up. */
export interface Global {
  module: string
  name: string
}

/**
 * A dict, list, tuple, set, persistent reference, or the result of a call: its arguments, then the state it was given.
 */
export interface Node {
  values: PickleValue[]
  /** For a dict: the key of each value. */
  keys?: PickleValue[]
  /** For the result of a call: what was called. */
  made?: Global
  persistent?: true
}

/** Undefined for anything but texts, numbers, names and containers. */
export type PickleValue = string | number | Global | Node | undefined

export function isNode(value: PickleValue): value is Node {
  return typeof value === 'object' && 'values' in value
}

export function isGlobal(value: PickleValue): value is Global {
  return typeof value === 'object' && 'module' in value
}
