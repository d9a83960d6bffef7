namespace Vmm.Fuzz.Tests;

/// <summary>The runner itself: what a target does wrong is found.</summary>
public class FuzzRunnerTests
{
    [Fact]
    public void Run_TargetThatThrows_NamesTheInput()
    {
        FuzzFinding? finding = new FuzzRunner(new Faulty(b => b.Length == 3 ? throw new NotSupportedException() : 0)).Run([[1], [1, 2], [1, 2, 3], [1]]);
        Assert.Equal([1, 2, 3], finding?.Input);
    }

    [Fact]
    public void Run_TargetThatHangs_NamesTheInput()
    {
        bool isOver = false;
        FuzzFinding? finding = new FuzzRunner(new Faulty(b =>
        {
            while (b[0] == 2 && !Volatile.Read(ref isOver)) Thread.SpinWait(1000);
            return 0;
        })).Run([[1], [2], [3]]);
        Volatile.Write(ref isOver, true);
        Assert.Equal([2], finding?.Input);
    }

    [Fact]
    public void Run_TargetThatAllocatesTooMuch_NamesTheInput()
    {
        FuzzFinding? finding = new FuzzRunner(new Faulty(b => new byte[b[0] << 20].Length)).Run([[0], [9], [0]]);
        Assert.Equal([9], finding?.Input);
    }

    [Fact]
    public void Mutator_SameSeed_SameInputs()
    {
        byte[][] seeds = [[1, 2, 3, 4, 5, 6, 7, 8, 9], new byte[100]];
        FuzzMutator a = new(new Random(5), seeds, 80);
        FuzzMutator b = new(new Random(5), seeds, 80);
        for (int i = 0; i < 2000; i++)
        {
            byte[] input = a.Next();
            Assert.Equal(input, b.Next());
            Assert.True(input.Length <= 80);
        }

        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9], seeds[0]);
    }

    private sealed class Faulty(Func<byte[], int> run) : IFuzzTarget
    {
        public string Name => "faulty";

        public TimeSpan MostTime => TimeSpan.FromSeconds(2);

        public long MostAllocatedBytes => 4 << 20;

        public void Run(ReadOnlySpan<byte> input) => run(input.ToArray());
    }
}
