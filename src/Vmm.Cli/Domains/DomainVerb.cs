using System.CommandLine;
using System.CommandLine.Completions;
using System.Globalization;
using StreamJsonRpc;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Core.State;

namespace Vmm.Cli.Domains;

/// <summary>What the verbs of domains share: where domains are found, how they are asked, how failures are told.</summary>
internal static class DomainVerb
{
    /// <summary>The host's row.</summary>
    public const string HostName = "Domain-0";

    private const string Help = """

        A domain is named by its id or its name.

        Exit codes:
            0  done
            1  a fault in vmm itself
            2  bad arguments, a file that cannot be started, or no such domain
            3  the host lacks something or refused it
            8  the domain refused it, or did not answer or end in time
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>A verb with the help that all of them have.</summary>
    public static Command New(string name, string description, Func<ParseResult, int> act, params ReadOnlySpan<Symbol> symbols)
    {
        Command command = new(name, description);
        foreach (Symbol symbol in symbols)
        {
            if (symbol is Option option) command.Options.Add(option);
            else command.Arguments.Add((Argument)symbol);
        }

        CommandLine.AppendToHelp(command, Help);
        command.SetAction(result => Run(() => act(result)));
        return command;
    }

    /// <summary>The domain that a verb is about.</summary>
    public static Argument<string> Domain() => WithNames(new Argument<string>("DOMAIN") { Description = "Its id or name." });

    /// <summary>The domains that a verb is about, all of them where none is named.</summary>
    public static Argument<string[]> Domains() => WithNames(new Argument<string[]>("DOMAIN") { Description = "Ids or names; all domains where none is given.", Arity = ArgumentArity.ZeroOrMore });

    /// <summary>Has the shell complete an argument with the names of domains.</summary>
    public static Argument<T> WithNames<T>(Argument<T> argument)
    {
        // Else the names would stand in the help.
        argument.HelpName = argument.Name;
        argument.CompletionSources.Add(_ => Names());
        return argument;
    }

    /// <summary>Does the work of a verb; a failure is one line and an exit code.</summary>
    public static int Run(Func<int> work)
    {
        try
        {
            return work();
        }
        catch (DomainException e)
        {
            StandardError.Error(e.Message.ReplaceLineEndings(" "));
            return (int)ExitCode.BadArguments;
        }
        catch (StateException e)
        {
            StandardError.Error(e.Message.ReplaceLineEndings(" "));
            return (int)ExitCode.BadArguments;
        }
        catch (DomainRefusedException e)
        {
            StandardError.Error(e.Message.ReplaceLineEndings(" "));
            if (GlobalFlags.IsVerbose) Print(e.Details);
            return (int)e.Code;
        }
    }

    private static void Print(RpcErrorData? details)
    {
        foreach (string cause in details?.Causes.Skip(1) ?? []) StandardError.Note($"because: {cause}");
        foreach (string line in details?.Log ?? []) StandardError.Note($"its log: {line}");
    }

    /// <summary>The domains of this user.</summary>
    public static DomainRegistry Registry() => new(DomainRegistry.DefaultRoot());

    /// <summary>A domain by its id or name.</summary>
    /// <exception cref="DomainException">There is none, or it is the host.</exception>
    public static DomainFolder Find(string text)
        => IsHost(text) ? throw new DomainException($"{HostName} is this host, not a guest") : Registry().Find(text);

    /// <summary>Whether the host is named.</summary>
    public static bool IsHost(string text) => text is "0" or HostName;

    /// <summary>For messages: the domain's name as it is written down.</summary>
    public static string NameOf(DomainFolder folder) => folder.TryRead()?.Name ?? folder.Id.ToString(CultureInfo.InvariantCulture);

    /// <summary>Has a domain do something.</summary>
    /// <exception cref="DomainRefusedException">It does not, or does not answer.</exception>
    public static void Tell(DomainFolder folder, Func<IDomainRpc, CancellationToken, Task> call) => Ask(folder, async (domain, cancellation) =>
    {
        await call(domain, cancellation).ConfigureAwait(false);
        return true;
    });

    /// <summary>Asks a domain.</summary>
    /// <param name="folder">The domain.</param>
    /// <param name="call">What is asked.</param>
    /// <param name="patience">How long an answer may take; null for half a minute.</param>
    /// <param name="heard">Told what happens to the domain meanwhile; null for nobody.</param>
    /// <exception cref="DomainRefusedException">It has no answer.</exception>
    public static T Ask<T>(DomainFolder folder, Func<IDomainRpc, CancellationToken, Task<T>> call, TimeSpan? patience = null, Action<DomainEvent>? heard = null)
    {
        TimeSpan time = patience ?? Patience;
        using CancellationTokenSource end = new(time);
        try
        {
            using DomainClient client = new(folder);
            if (heard is not null)
            {
                client.EventRaised += heard;
                client.Domain.SubscribeAsync(end.Token).WaitAsync(end.Token).GetAwaiter().GetResult();
            }

            // Also where the domain does not listen to the cancellation.
            return call(client.Domain, end.Token).WaitAsync(end.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            throw new DomainRefusedException(ExitCode.Failed, $"domain '{NameOf(folder)}' does not answer within {time.TotalSeconds:0} s");
        }
        catch (ConnectionLostException)
        {
            throw new DomainRefusedException(ExitCode.Failed, $"domain {folder.Id} has ended");
        }
        catch (RemoteInvocationException e)
        {
            throw new DomainRefusedException(CodeOf((RpcErrorCode)e.ErrorCode), e.Message) { Details = DomainClient.DetailsOf(e) };
        }
        catch (RemoteRpcException e)
        {
            // What the library has a type of its own for, such as an unknown method.
            throw new DomainRefusedException(e.ErrorCode is { } code ? CodeOf((RpcErrorCode)(int)code) : ExitCode.Failed, e.Message);
        }
    }

    private static IEnumerable<CompletionItem> Names()
    {
        try
        {
            return [.. Registry().List().Select(folder => new CompletionItem(NameOf(folder)))];
        }
        catch (DomainException)
        {
            return [];
        }
    }

    private static ExitCode CodeOf(RpcErrorCode code) => code switch
    {
        RpcErrorCode.InvalidParameters or RpcErrorCode.NotFound => ExitCode.BadArguments,
        RpcErrorCode.HostRefused => ExitCode.HostRefused,
        _ => ExitCode.Failed,
    };
}
