import { Option } from 'commander'
import type { Level, LevelChoice } from '../../compression/limits.ts'

/** For options that may be repeated. */
export const collect = (value: string, all: string[] | undefined = []): string[] => [...all, value]

export function excludeOption(): Option {
  return new Option(
    '--exclude <pattern>',
    'skip files that match, in gitignore syntax (repeatable); .colab-escape-ignore files are read too',
  ).argParser(collect)
}

const LEVELS: Level[] = ['fast', 'balanced', 'high', 'max']

export function levelOption(): Option {
  return new Option('--level <level>', 'compression level').choices(LEVELS).default('balanced')
}

/** Of commands that push. */
export function levelChoiceOption(standard: LevelChoice): Option {
  const text = 'compression level; auto: high while a push waits for Drive and the processors idle, else balanced'
  return new Option('--level <level>', text).choices([...LEVELS, 'auto']).default(standard)
}

export const yesOption = (): Option => new Option('-y, --yes', 'do not ask before deleting')
