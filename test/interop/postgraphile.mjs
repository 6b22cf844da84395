// Makes a GraphQL schema of the views in a schema with PostGraphile, as a role that may only read, and asks it.
//   node postgraphile.mjs CONNECTION-STRING SCHEMA QUERY…     (node_modules beside it, or in the current folder)
// Prints the fields of Query as JSON, then the answer to each query, a line each.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// PostGraphile 5 is for Node.js 22; 20 lacks this of what it uses
Promise.withResolvers ??= function () {
	let resolve, reject;
	const promise = new Promise((yes, no) => { resolve = yes; reject = no; });
	return { promise, resolve, reject };
};

const require = createRequire(`${process.cwd()}/`);
const load = async (name) => import(pathToFileURL(require.resolve(name)));

const { makeSchema } = await load('postgraphile');
const { PostGraphileAmberPreset } = await load('postgraphile/presets/amber');
const { makePgService } = await load('postgraphile/adaptors/pg');
const { grafast } = await load('postgraphile/grafast');

const [connectionString, schemaName, ...queries] = process.argv.slice(2);
const preset = {
	extends: [PostGraphileAmberPreset],
	pgServices: [makePgService({ connectionString, schemas: [schemaName] })],
};
const { schema, resolvedPreset } = await makeSchema(preset);
console.log(JSON.stringify(Object.keys(schema.getQueryType().getFields())));
for (const source of queries) {
	const answer = await grafast({ schema, resolvedPreset, requestContext: {}, source });
	console.log(JSON.stringify(answer));
}
await Promise.all(resolvedPreset.pgServices.map((service) => service.release?.()));
