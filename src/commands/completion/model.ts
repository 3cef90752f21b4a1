import type { Argument, Command, Option } from 'commander'
import { TOPICS } from '../shared/help-topics.ts'

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const

/** The candidates for one place of a command line: fixed words, and files, folders, names, or stores and folders. */
export interface Candidates {
  words: readonly string[]
  from: 'files' | 'folders' | 'stores' | 'names' | 'names-and-files' | undefined
}

export interface OptionModel {
  /** `-m` and `--message` */
  flags: readonly string[]
  description: string
  /** Undefined for a switch. */
  value: Candidates | undefined
  /** Whether the option also works alone. Then only `--option=value` gives a value. */
  optionalValue: boolean
  repeatable: boolean
}

export interface CommandModel {
  /** Names of the command and those above it, such as `auth login`; empty for the program itself. */
  path: string
  name: string
  description: string
  options: readonly OptionModel[]
  places: readonly Candidates[]
  /** Whether the last place may be repeated. */
  variadic: boolean
  commands: readonly CommandModel[]
}

/** The model of a command and its subcommands, without hidden ones. The program's options apply to every command. */
export function modelOf(command: Command, path = '', siblings: readonly Command[] = []): CommandModel {
  const help = command.createHelp()
  const { registeredArguments } = command
  const below = help.visibleCommands(command)
  return {
    path,
    name: command.name(),
    description: command.description(),
    options: help.visibleOptions(command).map(optionModel),
    places: registeredArguments.map((argument, at) => placeOf(argument, registeredArguments.slice(0, at), siblings)),
    variadic: registeredArguments.at(-1)?.variadic === true,
    commands: below.map(each => modelOf(each, `${path} ${each.name()}`.trim(), below)),
  }
}

/** All commands below this one. */
export function allCommands({ commands }: CommandModel): CommandModel[] {
  return commands.flatMap(command => [command, ...allCommands(command)])
}

function optionModel(option: Option): OptionModel {
  const takes = option.required || option.optional
  return {
    flags: [option.short, option.long].filter(flag => typeof flag === 'string'),
    description: option.description,
    value: takes ? valueOf(option, /[<[](.+?)[>\]]/.exec(option.flags)?.[1] ?? '') : undefined,
    optionalValue: option.optional,
    repeatable: option.parseArg !== undefined && option.argChoices === undefined,
  }
}

function valueOf({ argChoices = [] }: Option, value: string): Candidates {
  return { words: value === 'place' ? ['drive:'] : argChoices, from: sourceOfOption(value) }
}

function sourceOfOption(value: string): Candidates['from'] {
  if (value === 'file') return 'files'
  if (value === 'place') return 'stores'
  if (value === 'folder') return 'folders'
  return value === 'name' ? 'names' : undefined
}

function placeOf(argument: Argument, before: readonly Argument[], siblings: readonly Command[]): Candidates {
  const name = argument.name()
  if (argument.argChoices) return { words: argument.argChoices, from: undefined }
  if (name === 'topic')
    return { words: [...siblings.map(each => each.name()), 'commands', 'options', ...Object.keys(TOPICS)], from: undefined }
  if (/^(version|name)/.test(name)) return { words: [], from: 'names' }
  if (name === 'before' || name === 'after' || /model$/.test(name)) return { words: [], from: 'names-and-files' }
  if (name === 'store') return { words: [], from: 'stores' }
  // a path inside a version
  if (name === 'path' && before.some(each => each.name() === 'version')) return { words: [], from: undefined }
  if (name === 'destination') return { words: [], from: 'folders' }
  return { words: [], from: /^(path|file|archive|source)/.test(name) ? 'files' : undefined }
}
