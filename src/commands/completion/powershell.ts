import { allCommands, type Candidates, type CommandModel } from './model.ts'

/** A script for PowerShell 5.1 and newer. Where it offers nothing, PowerShell offers files. */
export function powershellScript(root: CommandModel): string[] {
  return [
    '# Completes colab-escape in PowerShell. Made by: colab-escape completion powershell',
    "Register-ArgumentCompleter -Native -CommandName 'colab-escape', 'npx' -ScriptBlock {",
    '  param($word, $ast, $cursor)',
    '  # of each command: what its places and the values of its options take, and its switches',
    '  $commands = @{',
    ...[root, ...allCommands(root)].flatMap(entry),
    '  }',
    '  $words = @($ast.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object { $_.ToString() })',
    "  if ($words.Count -gt 0 -and $words[0] -like 'npx*') {",
    '    $at = 1',
    "    while ($at -lt $words.Count -and $words[$at] -like '-*') { $at++ }",
    "    if ($at -ge $words.Count -or $words[$at] -ne 'colab-escape') { return }",
    '    $words = @($words | Select-Object -Skip $at)',
    '  }',
    "  $command = ''",
    '  $place = 0',
    '  $value = $null',
    '  $store = @()',
    '  $before = $null',
    '  foreach ($each in @($words | Select-Object -Skip 1)) {',
    "    if ($before -eq '--store' -or $before -eq '-s') { $store = @('--store', $each) }",
    '    $before = $each',
    '    if ($null -ne $value) { $value = $null; continue }',
    '    $below = "$command $each".Trim()',
    "    if ($each -notlike '-*' -and $commands.ContainsKey($below)) { $command = $below; $place = 0; continue }",
    "    if ($each -notlike '-*') { $place++; continue }",
    "    foreach ($known in @($commands[$command], $commands[''])) {",
    '      if ($known.Values.ContainsKey($each)) { $value = $known.Values[$each] }',
    '    }',
    '  }',
    '  $own = $commands[$command]',
    '  if ($null -ne $value) { $takes = $value }',
    "  elseif ($word -like '-*') { $takes = $own.Flags + $commands[''].Flags }",
    '  elseif ($own.Places.Count -eq 0) { $takes = @() }',
    '  elseif ($place -lt $own.Places.Count) { $takes = $own.Places[$place] }',
    '  elseif ($own.Repeats) { $takes = $own.Places[-1] }',
    '  else { $takes = @() }',
    '  $offered = @(foreach ($each in $takes) {',
    '    if ($each -eq \'<names>\') { colab-escape completion @store "--names=$word" 2>$null } else { $each }',
    '  })',
    '  $offered | Where-Object { $_.StartsWith($word) } | Select-Object -Unique | ForEach-Object {',
    "    $text = if ($_ -match '[\\s;&|(){}@$`'']') { \"'\" + $_.Replace(\"'\", \"''\") + \"'\" } else { $_ }",
    "    [System.Management.Automation.CompletionResult]::new($text, $_, 'ParameterValue', $_)",
    '  }',
    '}',
  ]
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
const list = (texts: readonly string[]): string => `@(${texts.map(quoted).join(', ')})`
const candidates = ({ words, from }: Candidates): string => list([...words, ...(from?.startsWith('names') ? ['<names>'] : [])])

function entry({ path, options, places, variadic, commands }: CommandModel): string[] {
  const values = options.flatMap(({ flags, value, optionalValue }) =>
    value === undefined || optionalValue ? [] : flags.map(flag => `${quoted(flag)} = ${candidates(value)}`),
  )
  const below = commands.length > 0 ? [list(commands.map(({ name }) => name))] : places.map(candidates)
  return [
    `    ${quoted(path)} = @{`,
    `      Flags = ${list(options.flatMap(({ flags }) => flags.filter(flag => flag.startsWith('--'))))}`,
    `      Values = @{ ${values.join('; ')} }`,
    `      Places = @(${below.map(each => `,${each}`).join(' + ')})`,
    `      Repeats = ${variadic ? '$true' : '$false'}`,
    '    }',
  ]
}
