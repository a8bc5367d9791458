// Answers of @cloud-copilot/iam-simulate to the cases of iam_cases.py, one letter a line: A allowed, E denied by a
// statement, I denied for lack of one. Usage: node iam_answers.mjs NODE_MODULES CASES ANSWERS
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, cases, answers] = process.argv.slice(2)
const scope = join(resolve(modules), '@cloud-copilot')
const load = (...path) => import(pathToFileURL(join(scope, ...path)).href)
const { authorize } = await load('iam-simulate', 'dist/esm/core_engine/CoreSimulatorEngine.js')
const { AwsRequestImpl } = await load('iam-simulate', 'dist/esm/request/request.js')
const { RequestContextImpl } = await load('iam-simulate', 'dist/esm/requestContext.js')
const { DiscoveryContextKeyConstraints } = await load(
  'iam-simulate', 'dist/esm/context_keys/discoveryContextKeyConstraints.js')
const { loadPolicy } = await load('iam-policy', 'dist/esm/index.js')

const letters = { Allowed: 'A', ExplicitlyDenied: 'E', ImplicitlyDenied: 'I' }
const all = (documents) => (documents ?? []).map((document, index) => loadPolicy(document, { name: `p${index}` }))
const levels = (found) =>
  (found ?? []).map((documents, index) => ({ orgIdentifier: `level-${index}`, policies: all(documents) }))

const lines = readFileSync(cases, 'utf8').trim().split('\n')
const found = lines.map((line) => {
  const { principal, action, resource, resource_account, context, policies } = JSON.parse(line)
  const who = principal.kind === 'anonymous' ? { type: 'Anonymous' } : principal.arn
  const session = all(policies.session)
  return letters[authorize({
    request: new AwsRequestImpl(
      who, { resource, accountId: resource_account }, action, new RequestContextImpl(context), resource === '*'),
    sessionPolicy: session[0],
    identityPolicies: all(policies.identity),
    serviceControlPolicies: levels(policies.scps),
    resourceControlPolicies: levels(policies.rcps),
    resourcePolicy: policies.resource ? all([policies.resource])[0] : undefined,
    permissionBoundaries: policies.boundary ? all([policies.boundary]) : undefined,
    vpcEndpointPolicies: policies.endpoint ? all([policies.endpoint]) : undefined,
    simulationParameters: {
      simulationMode: 'Strict',
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([])
    },
    serviceSettings: {}
  }).result]
})
writeFileSync(answers, found.join('') + '\n')
