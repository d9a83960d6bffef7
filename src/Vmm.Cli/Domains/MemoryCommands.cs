using System.CommandLine;
using System.Globalization;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm mem-set</c> and <c>vmm mem-max</c>.</summary>
internal static class MemoryCommands
{
    private const int MegabyteShift = 20;

    public static Command Set() => New("mem-set", "Change how much memory a domain has, by its balloon: the guest gives the rest back as it can.",
        (domain, bytes, cancellation) => domain.SetMemoryAsync(bytes, cancellation));

    public static Command Max() => New("mem-max", "Say how much memory mem-set may give a domain at the most: up to what it was made with (maxmem, or memory, in its file).",
        (domain, bytes, cancellation) => domain.SetMaximumMemoryAsync(bytes, cancellation));

    private static Command New(string name, string description, Func<IDomainRpc, ulong, CancellationToken, Task> call)
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> size = new("SIZE") { Description = "A number of MiB, or with t, g, m, k or b behind it." };
        return DomainVerb.New(name, description, result =>
        {
            ulong bytes = Parse(result.GetRequiredValue(size));
            DomainVerb.Tell(DomainVerb.Find(result.GetRequiredValue(domain)), (d, cancellation) => call(d, bytes, cancellation));
            return (int)ExitCode.Ok;
        }, domain, size);
    }

    /// <summary>Reads a size as xl does: a bare number counts MiB.</summary>
    /// <exception cref="DomainException">It is none.</exception>
    internal static ulong Parse(string text)
    {
        int shift = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch { 't' => 40, 'g' => 30, 'm' => 20, 'k' => 10, 'b' => 0, _ => -1 };
        ReadOnlySpan<char> digits = shift < 0 ? text : text.AsSpan(0, Math.Max(0, text.Length - 1));
        if (shift < 0) shift = MegabyteShift;
        bool isGood = ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong count) && count << shift >> shift == count;
        return isGood ? count << shift : throw new DomainException($"'{text}' is no size: 512, 512m or 2g would be");
    }
}
