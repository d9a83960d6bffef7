namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>What became of a message.</summary>
/// <param name="Kind">How it ended.</param>
/// <param name="Problem">Why it was refused.</param>
internal readonly record struct Verdict(VerdictKind Kind, string? Problem)
{
    /// <summary>Carried out.</summary>
    public static Verdict Done => new(VerdictKind.Done, null);

    /// <summary>The answer is ready to be sent.</summary>
    public static Verdict Answered => new(VerdictKind.Answered, null);

    /// <summary>Understood, and not possible.</summary>
    public static Verdict No(string problem) => new(VerdictKind.Done, problem);

    /// <summary>Not what a front end may send: the connection ends.</summary>
    public static Verdict Malformed(string problem) => new(VerdictKind.Malformed, problem);
}
