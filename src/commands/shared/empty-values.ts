import type { Command } from 'commander'
import { AppError } from '../../util/errors.ts'

/** Options for which an empty text is a value like any other. */
const MAY_BE_EMPTY = new Set(['--message', '--names'])

const isEmpty = (value: unknown): boolean => value === '' || (Array.isArray(value) && value.includes(''))

/**
 * Throws `usage` if an argument or the value of an option is an empty text, as an unset shell variable gives it. Taken
 * as a path, it would mean the current folder.
 */
export function refuseEmptyValues(command: Command): void {
  for (const [i, argument] of command.registeredArguments.entries())
    if (isEmpty(command.processedArgs[i])) throw emptyValue(`The ${argument.name().replaceAll('-', ' ')}`, argument.required)
  for (let each: Command | null = command; each; each = each.parent)
    for (const option of each.options) {
      const name = option.long ?? option.flags
      if (!MAY_BE_EMPTY.has(name) && isEmpty(each.getOptionValue(option.attributeName()))) throw emptyValue(name, false)
    }
}

export function emptyValue(what: string, required: boolean): AppError {
  return new AppError('usage', `${what} is empty. Is a shell variable unset?`, {
    hint: required ? 'Give a value.' : 'Give a value, or leave it out.',
  })
}
