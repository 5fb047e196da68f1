package lab

import org.codehaus.groovy.ast.ASTNode
import org.codehaus.groovy.ast.ClassCodeVisitorSupport
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.FieldNode
import org.codehaus.groovy.ast.expr.BinaryExpression
import org.codehaus.groovy.ast.expr.ConstantExpression
import org.codehaus.groovy.ast.expr.ConstructorCallExpression
import org.codehaus.groovy.ast.expr.DeclarationExpression
import org.codehaus.groovy.ast.expr.Expression
import org.codehaus.groovy.ast.expr.MapExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.ast.expr.TupleExpression
import org.codehaus.groovy.ast.expr.VariableExpression
import org.codehaus.groovy.ast.stmt.BlockStatement
import org.codehaus.groovy.ast.stmt.CatchStatement
import org.codehaus.groovy.ast.stmt.ReturnStatement
import org.codehaus.groovy.ast.stmt.Statement
import org.codehaus.groovy.ast.stmt.ThrowStatement
import org.codehaus.groovy.ast.stmt.TryCatchStatement
import org.codehaus.groovy.ast.DynamicVariable
import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.Phases
import org.codehaus.groovy.control.SourceUnit

/** A file of vars/ as its syntax tree, held against the rules that no run of it can prove. */
class Source {
    private static final List<String> SHELLS = ['sh', 'bat', 'powershell', 'pwsh']
    private static final List<String> CATCHABLE = ['hudson.AbortException', 'groovy.json.JsonException', 'org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException']
    private static final List<String> IMPORTABLE = CATCHABLE + ['org.jenkinsci.plugins.workflow.steps.FlowInterruptedException', 'com.cloudbees.groovy.cps.NonCPS', 'groovy.json.JsonOutput', 'groovy.json.JsonSlurper', 'groovy.xml.XmlUtil']
    /** The only types a file makes with `new`. */
    private static final List<String> MAKEABLE = ['groovy.json.JsonSlurper']

    private final SourceUnit unit
    private final List<ClassNode> classes

    Source(File file) {
        this(file.getText('UTF-8'), file.name)
    }

    static Source of(String text) {
        new Source(text, 'example.groovy')
    }

    private Source(String text, String name) {
        CompilationUnit compilation = new CompilationUnit(new CompilerConfiguration(disabledGlobalASTTransformations: ['groovy.grape.GrabAnnotationTransformation'] as Set))
        unit = compilation.addSource(name, text)
        compilation.compile(Phases.SEMANTIC_ANALYSIS)
        classes = unit.AST.classes
    }

    List<String> getMethods() {
        classes[0].methods*.name - ['main', 'run']
    }

    /** Every broken rule, with its line. `libraryMethods` and `libraryFiles` are those of the whole library. */
    List<String> violations(List<String> libraryMethods, List<String> libraryFiles) {
        List<String> found = []
        Closure report = { ASTNode where, String what ->
            if (where.lineNumber > 0) { // Everything else is what the compiler adds.
                found << "line $where.lineNumber: $what".toString()
            }
        }
        unit.AST.imports.each { one ->
            if (one.annotations) {
                report(one, 'grabs a dependency')
            }
            if (!IMPORTABLE.contains(one.className)) {
                report(one, "imports $one.className")
            }
        }
        (unit.AST.starImports + unit.AST.staticImports.values() + unit.AST.staticStarImports.values()).each { report(it, 'imports more than one class') }
        classes.drop(1).findAll { !(it instanceof org.codehaus.groovy.ast.InnerClassNode) }.each { report(it, "defines the class $it.name") }
        Set<String> callable = (libraryMethods + libraryFiles + methods + Gatekeeper.permittedNames + Gatekeeper.ARITHMETIC) as Set
        classes[0].visitContents(new Visitor(unit, report, callable))
        found
    }

    private static class Visitor extends ClassCodeVisitorSupport {
        private final SourceUnit unit
        private final Closure report
        private final Set<String> callable

        Visitor(SourceUnit unit, Closure report, Set<String> callable) {
            this.unit = unit
            this.report = report
            this.callable = callable
        }

        @Override
        protected SourceUnit getSourceUnit() {
            unit
        }

        @Override
        void visitField(FieldNode field) {
            report(field, "keeps state in the field $field.name")
            super.visitField(field)
        }

        @Override
        void visitBinaryExpression(BinaryExpression expression) {
            Expression left = expression.leftExpression
            if (!(expression instanceof DeclarationExpression) && expression.operation.text == '=' && left instanceof VariableExpression && left.accessedVariable instanceof DynamicVariable) {
                report(expression, "sets $left.name, a variable of the whole build")
            }
            super.visitBinaryExpression(expression)
        }

        @Override
        void visitConstructorCallExpression(ConstructorCallExpression call) {
            if (!call.specialCall && !MAKEABLE.contains(call.type.name)) {
                report(call, "makes a $call.type.name")
            }
            super.visitConstructorCallExpression(call)
        }

        @Override
        void visitMethodCallExpression(MethodCallExpression call) {
            String name = call.methodAsString
            Expression arguments = call.arguments
            Map<String, Expression> named = named(arguments)
            if (name == null) {
                report(call, 'calls a method by a computed name')
            } else if (!Steps.knows(name) && !Steps.SYMBOLS.contains(name) && !callable.contains(name)) {
                report(call, "calls $name, which is neither a step of the engine, nor a method of the library, nor a permitted call")
            } else if (call.implicitThis && SHELLS.contains(name)) {
                Expression script = named.script ?: (arguments instanceof TupleExpression && arguments.expressions ? arguments.expressions[0] : null)
                if (!(script instanceof ConstantExpression)) {
                    report(call, "the script of $name is not a constant text")
                }
            } else if (name in ['catchError', 'warnError'] && named.catchInterruptions?.text != 'false') {
                report(call, "$name without catchInterruptions: false swallows an abort")
            }
            super.visitMethodCallExpression(call)
        }

        private static Map<String, Expression> named(Expression arguments) {
            List<Expression> all = arguments instanceof TupleExpression ? arguments.expressions : [arguments]
            all.findAll { it instanceof MapExpression }.collectMany { it.mapEntryExpressions }.collectEntries { [(it.keyExpression.text): it.valueExpression] }
        }

        @Override
        void visitTryCatchFinally(TryCatchStatement statement) {
            statement.catchStatements.each { CatchStatement one ->
                if (!CATCHABLE.contains(one.exceptionType.name) && !throwsOn(one)) {
                    report(one, "catches $one.exceptionType.nameWithoutPackage, under which an abort comes, and does not throw it on")
                }
            }
            statement.finallyStatement.visit(new ClassCodeVisitorSupport() {
                @Override
                protected SourceUnit getSourceUnit() {
                    Visitor.this.unit
                }

                @Override
                void visitReturnStatement(ReturnStatement returned) {
                    Visitor.this.report(returned, 'returns from finally, which swallows an abort')
                }
            })
            super.visitTryCatchFinally(statement)
        }

        /** The last statement throws what was caught. */
        private static boolean throwsOn(CatchStatement statement) {
            Statement last = statement.code instanceof BlockStatement && statement.code.statements ? statement.code.statements.last() : null
            last instanceof ThrowStatement && last.expression instanceof VariableExpression && last.expression.name == statement.variable.name
        }
    }
}
