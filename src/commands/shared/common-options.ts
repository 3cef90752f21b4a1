import { Option } from 'commander'

/** For options that may be repeated. */
export const collect = (value: string, all: string[] | undefined = []): string[] => [...all, value]

export function excludeOption(): Option {
  return new Option(
    '--exclude <pattern>',
    'skip files that match, in gitignore syntax (repeatable); .colab-escape-ignore files are read too',
  ).argParser(collect)
}

export function levelOption(): Option {
  return new Option('--level <level>', 'compression level').choices(['fast', 'balanced', 'max']).default('balanced')
}

export const yesOption = (): Option => new Option('-y, --yes', 'do not ask before deleting')
