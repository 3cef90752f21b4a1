#!/usr/bin/env node
/* Any Node must be able to parse this file, so that an old one can say what it lacks: ES5 only. */
'use strict'

var MINIMUM = [20, 19]

function isTooOld(version) {
  var parts = version.split('.')
  return Number(parts[0]) < MINIMUM[0] || (Number(parts[0]) === MINIMUM[0] && Number(parts[1]) < MINIMUM[1])
}

function fail(message) {
  console.error(message)
  process.exit(1)
}

/* Notebooks run commands in a terminal of 0 x 0 characters, and Node reads that size again at every change of it. */
function neverZeroColumns(stream) {
  if (!stream.isTTY) return
  var columns = stream.columns
  Object.defineProperty(stream, 'columns', {
    configurable: true,
    enumerable: true,
    get: function () {
      return columns || 80
    },
    set: function (value) {
      columns = value
    },
  })
}

function builtProgram() {
  try {
    return require.resolve('../dist/cli.js')
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
    return fail('colab-escape is not built yet: run `npm install` and `npm run build` in its folder first.')
  }
}

/* The folder for caches as in src/settings.ts, which can't be used here: it is not ES5. */
function cacheFolder() {
  var path = require('path')
  var env = process.env
  if (env.COLAB_ESCAPE_CACHE) return env.COLAB_ESCAPE_CACHE
  var home = require('os').homedir()
  if (process.platform === 'darwin') return path.join(home, 'Library', 'Caches', 'colab-escape')
  if (process.platform === 'win32') return path.join(env.LOCALAPPDATA || path.join(home, 'AppData', 'Local'), 'colab-escape', 'Cache')
  return path.join(env.XDG_CACHE_HOME || path.join(home, '.cache'), 'colab-escape')
}

/* Makes a folder and the two above it if they are absent. Node's own recursive mkdir never ends below /proc. */
function makeFolder(folder) {
  var path = require('path')
  var all = [path.dirname(path.dirname(folder)), path.dirname(folder), folder]
  for (var i = 0; i < all.length; i++) {
    try {
      require('fs').mkdirSync(all[i], parseInt('700', 8))
    } catch (error) {
      if (error.code === 'ENOENT') return
    }
  }
}

/* True if no other user can have put anything into a folder, or can put another one in its place. */
function isPrivate(folder) {
  var path = require('path')
  var me = process.geteuid && process.geteuid()
  if (me === undefined) return true /* Windows: the user's own folder protects what is in it. */
  for (var each = folder; ; each = path.dirname(each)) {
    var stats = require('fs').lstatSync(each)
    var others = stats.mode & parseInt('022', 8)
    var isSticky = each !== folder && stats.mode & parseInt('1000', 8)
    if (!stats.isDirectory() || (others && !isSticky)) return false
    if (stats.uid !== me && (stats.uid !== 0 || each === folder)) return false
    if (each === path.dirname(each)) return true
  }
}

/*
 * Where Node may keep the compiled program; undefined if there is no safe place. Node runs what it finds there and does
 * not ask who wrote it, so that a folder which others can reach, such as Node's own choice in the folder for temporary
 * files, would let them run programs as this user. With NODE_COMPILE_CACHE the user has chosen another folder.
 */
function compileCacheFolder() {
  var path = require('path')
  try {
    var folder = path.join(cacheFolder(), 'compile-cache')
    if (!path.isAbsolute(folder)) return undefined /* what lies in the current folder may be somebody else's */
    makeFolder(folder)
    folder = require('fs').realpathSync(folder)
    return isPrivate(folder) ? folder : undefined
  } catch (error) {
    void error
    return undefined
  }
}

var version = process.versions.node
if (isTooOld(version)) {
  var whatToDo = '. Install a newer Node, for example from https://nodejs.org, and run the same command again.'
  fail('colab-escape needs Node 20.19 or newer; this is Node ' + version + whatToDo)
}
neverZeroColumns(process.stdout)
neverZeroColumns(process.stderr)

var nodeModule = require('module')
if (nodeModule.enableCompileCache && !process.env.NODE_COMPILE_CACHE) {
  var compileCache = compileCacheFolder()
  if (compileCache) nodeModule.enableCompileCache(compileCache)
}

/* `import()` is a syntax error for old parsers; only a text may hold it. */
new Function('url', 'return import(url)')(require('url').pathToFileURL(builtProgram()).href)
