/** What a type is made of. */
import type * as SchemaAST from "effect/SchemaAST"

/** The types that a type is made of; its own members, and those of a class. */
const partsOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  switch (ast._tag) {
    case "Objects":
      return [...ast.propertySignatures, ...ast.indexSignatures].map(({ type }) => type)
    case "Arrays":
      return [...ast.elements, ...ast.rest]
    case "Union":
      return ast.types
    case "Suspend":
      return [ast.thunk()]
    case "Declaration":
      return ast.typeParameters
    default:
      return []
  }
}

/** Whether a type, or one that it is made of, is like that. */
export const some = (
  ast: SchemaAST.AST,
  is: (ast: SchemaAST.AST) => boolean,
  seen = new Set<SchemaAST.AST>()
): boolean => {
  if (seen.has(ast)) return false
  seen.add(ast)
  return is(ast) || partsOf(ast).some((part) => some(part, is, seen))
}
